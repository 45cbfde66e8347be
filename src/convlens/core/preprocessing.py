"""How an image becomes a network's input: the numbers that must be the same in training and in use."""

from typing import Literal

from pydantic import model_validator

from convlens.core.records import Record

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


Interpolation = Literal["bilinear", "bicubic"]
Fit = Literal["crop", "letterbox", "squash"]
"""How an image that is not square becomes one: its center, all of it between bars, or all of it in another shape."""


def margin_of(resize: int, size: int) -> int:
    """Whole pixels on each side of a central crop of `size`, where the shorter side has `resize`."""
    return (resize - size) // 2


class Preprocessing(Record):
    """Resize the shorter side to `resize` pixels, crop the center to `size`, scale to 0..1, normalize per channel.

    With `squash` both sides are resized to `resize`, whatever the image's shape. With `letterbox` the longer side is,
    and bars of the mean color make up for the rest. `mean` and `std` are per channel in
    RGB order, for values in 0..1. Transparent pixels are shown on white.
    """

    size: int = 224
    resize: int = 256
    interpolation: Interpolation = "bilinear"
    squash: bool = False
    letterbox: bool = False
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @model_validator(mode="after")
    def _crop_fits(self) -> "Preprocessing":
        if not 1 <= self.size <= self.resize:
            raise ValueError(f"size {self.size} must lie between 1 and resize {self.resize}")
        if self.squash and self.letterbox:
            raise ValueError("squash and letterbox exclude each other")
        if self.letterbox and self.size != self.resize:
            raise ValueError(f"with letterbox nothing is cropped: size {self.size} must be resize {self.resize}")
        return self

    @property
    def margin(self) -> int:
        """Whole pixels between the crop and each side of what is kept to crop from, see `with_margin`."""
        return margin_of(self.resize, self.size)

    def with_margin(self) -> "Preprocessing":
        """The same resizing with a larger crop, whose central `size` pixels are exactly those of this one.

        Its side is `resize`, or one pixel less where the margins would be halves of pixels: then pixels of the larger
        crop would lie between those of the smaller one.
        """
        return self.model_copy(update={"size": self.size + 2 * self.margin})

    def identity(self) -> dict[str, object]:
        """What identifies it in the key of stored features, which may be older than the fields for whole images."""
        return self.model_dump(exclude={name for name in ("squash", "letterbox") if not getattr(self, name)})

    @property
    def bars(self) -> tuple[int, int, int] | None:
        """The RGB color of the bars beside an image that is not square; None where there are none."""
        red, green, blue = (round(255 * value) for value in self.mean)
        return (red, green, blue) if self.letterbox else None

    def fitted(self, fit: Fit) -> "Preprocessing":
        """The same with all of the image in view, as letterbox or squash say; crop is what it was made with."""
        if fit == "crop":
            return self
        return self.model_copy(update={"resize": self.size, "squash": fit == "squash", "letterbox": fit == "letterbox"})

    def at(self, size: int) -> "Preprocessing":
        """The same for another input size; the ratio of `resize` to `size` stays."""
        return self.model_copy(update={"size": size, "resize": round(size * self.resize / self.size)})
