"""The names of interpolations."""

import enum


class InterpolationMode(enum.Enum):
    """As Pillow has them."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"
