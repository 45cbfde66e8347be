"""How a picture becomes a network's input: the numbers that must be the same in training and in use."""

from typing import Literal

from pydantic import model_validator

from convlens.core.records import Record

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Preprocessing(Record):
    """Resize the shorter side to `resize` pixels, crop the centre to `size`, scale to 0..1, normalise per channel.

    `mean` and `std` are per channel in RGB order, for values in 0..1. Transparent pixels are shown on white.
    """

    size: int = 224
    resize: int = 256
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @model_validator(mode="after")
    def _crop_fits(self) -> "Preprocessing":
        if not 1 <= self.size <= self.resize:
            raise ValueError(f"size {self.size} must lie between 1 and resize {self.resize}")
        return self

    def at(self, size: int) -> "Preprocessing":
        """The same for another input size; the ratio of `resize` to `size` stays."""
        return self.model_copy(update={"size": size, "resize": round(size * self.resize / self.size)})
