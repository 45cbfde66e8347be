"""Remarks: what is said of an image file that is used, because of what it holds or how it is read."""

import io

import numpy as np
from PIL import Image, ImageCms

TWELVE_BITS, SIXTEEN_BITS = 4095, 65535
_PLAIN_GAMMA = 1 / 2.2
_MOST_OFF = 0.01
_READ_AS = {"RGB": "sRGB", "RGBA": "sRGB", "CMYK": "plain CMYK"}
_AS_SRGB = ("srgb", "iec61966")
"""In names of profiles whose values mean what those of sRGB mean."""
_OF_SEVERAL = {"GIF": "frames", "WEBP": "frames", "PNG": "frames", "AVIF": "frames", "TIFF": "pages"}

Remark = tuple[str, str]
"""A word and a detail: what is remarkable about an image that can be used."""


def remarks_of(image: Image.Image) -> list[Remark]:
    """What an opened image holds besides the pixels that are used, and how its values were read."""
    return [remark for remark in (_several(image), _depth(image), _profile(image), _gamma(image)) if remark]


def white_level(image: Image.Image) -> int:
    """The value of white in an image of 16-bit gray: that of 12 bits where no value is higher, as cameras write it."""
    return TWELVE_BITS if int(np.asarray(image).max()) <= TWELVE_BITS else SIXTEEN_BITS


def _several(image: Image.Image) -> Remark | None:
    """For an image of several frames or pages."""
    if image.format not in _OF_SEVERAL:
        return None
    what = _OF_SEVERAL[image.format]
    word = "animated" if what == "frames" else "pages"
    try:
        number = getattr(image, "n_frames", 1)
    except Exception:  # the first frame is there, so damage in later ones does not matter
        return word, f"later {what} are damaged, the first is used"
    return (word, f"{number} {what}, the first is used") if number > 1 else None


def _depth(image: Image.Image) -> Remark | None:
    """For 16-bit gray that uses 12 bits: whoever sees it nearly black elsewhere should know why it is not here."""
    if not image.mode.startswith("I") or white_level(image) == SIXTEEN_BITS:
        return None
    return "12-bit", "gray of 12 bits stored in 16, scaled to 8 by its own range"


def _profile(image: Image.Image) -> Remark | None:
    """For colors of another space than sRGB, which all others are taken for."""
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(data))).strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None  # a damaged profile says nothing against the pixels
    if image.mode not in _READ_AS or any(word in name.lower() for word in _AS_SRGB):
        return None
    return "profile", f"colors of {name!r} are read as {_READ_AS[image.mode]}"


def _gamma(image: Image.Image) -> Remark | None:
    gamma = image.info.get("gamma")
    if image.format != "PNG" or not gamma or abs(gamma - _PLAIN_GAMMA) < _MOST_OFF or "srgb" in image.info:
        return None
    return "gamma", f"a gamma of {gamma:.3g} is noted in it, and sRGB's is assumed"
