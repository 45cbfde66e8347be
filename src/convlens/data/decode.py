"""Decode: from a file's bytes to 8-bit RGB pixels of a stated size, with one definition for every format.

Alpha is shown on white; gray of more than 8 bits is scaled from the 12 or 16 bits that it uses; EXIF orientation is
applied; of an animation the first frame is used, of a TIFF file the first page. Color profiles are not applied. Only
JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000, PPM and, with an extra package, HEIC are parsed.
"""

import dataclasses
import importlib
import io
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convlens.core.preprocessing import Interpolation, Preprocessing, margin_of
from convlens.data.container import FORMATS, ends_early, format_of, other_format_of
from convlens.data.mending import ended_jpeg, png_without_texts
from convlens.data.perceptual_hash import signature
from convlens.data.remarks import SIXTEEN_BITS, Remark, remarks_of, white_level

DECODER_VERSION = 2
"""Raised when the same bytes would give other pixels; stored features know it."""

_PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
MOST_PIXELS = 64_000_000
LEAST_SIDE = 8
THUMBNAIL_SIDE = 128

# What Pillow warns of is refused below (huge images) or does no harm (a malformed EXIF block).
warnings.filterwarnings("ignore", module=r"PIL\.")

_ORIENTATION = 0x0112
_Turn = Image.Transpose
_TURNS = {
    2: _Turn.FLIP_LEFT_RIGHT,
    3: _Turn.ROTATE_180,
    4: _Turn.FLIP_TOP_BOTTOM,
    5: _Turn.TRANSPOSE,
    6: _Turn.ROTATE_270,
    7: _Turn.TRANSVERSE,
    8: _Turn.ROTATE_90,
}
"""EXIF orientation -> what makes the image upright."""
_FILTERS: Mapping[Interpolation, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}

Pixels = NDArray[np.uint8]


@dataclasses.dataclass(eq=False, kw_only=True)
class BadImage(Exception):  # noqa: N818  (a verdict on a file, which is listed and not an error of the program)
    """Why a file gives no image: one word, and a detail for a person."""

    reason: str
    detail: str
    lasting: bool = True
    """Whether this is a property of the bytes, and not of the moment at which they were read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoded:
    """An image: RGB pixels of shape (size, size, 3), what is remarkable about the file, and a small JPEG."""

    pixels: Pixels
    remark: Remark | None
    """A word and a detail, such as ("animated", "12 frames, the first is used")."""
    thumbnail: bytes
    signature: bytes
    """By which the same image is known again, see data.signature."""


class Opened(NamedTuple):
    """A whole image: upright RGB, the image as its file holds it, and the size that the file says."""

    rgb: Image.Image
    source: Image.Image
    size: tuple[int, int]
    mended: Remark | None = None
    """What was wrong with the file and cost no pixel."""

    @property
    def remarks(self) -> list[Remark]:
        """What is remarkable about the file and how it is read, the most important first."""
        mended = [self.mended] if self.mended else []
        return [*mended, *remarks_of(self.source)]

    @property
    def reduced(self) -> bool:
        """Whether the file has more pixels, which a decoder may leave out of a large JPEG."""
        return self.rgb.width * self.rgb.height < self.size[0] * self.size[1]


def decode(
    data: bytes,
    *,
    resize: int,
    size: int,
    interpolation: Interpolation = "bilinear",
    squash: bool = False,
    bars: tuple[int, int, int] | None = None,
) -> Decoded:
    """The image in `data`, its shorter side resized to `resize` pixels and the central `size` x `size` cropped.

    With `squash` both sides are resized to `resize`, so that the crop may have another shape than what it shows. With
    `bars`, an RGB color, the longer side is, and bars of that color make a square of it.

    Raises BadImage with the reason not-an-image, unsupported, truncated, unreadable, too-large or tiny.
    """
    image = opened_for(data, resize)
    return Decoded(
        pixels=np.array(_cropped(image.rgb, resize, size, interpolation, squash, bars)),
        remark=next(iter(image.remarks), None),
        thumbnail=thumbnail_of(image.rgb),
        signature=signature(image.rgb),
    )


def crop_of(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """What `decode` crops of a whole image, of shape (size, size, 3), from its RGB pixels of shape (H, W, 3)."""
    return crop_of_image(Image.fromarray(pixels), preprocessing)


def crop_of_image(image: Image.Image, preprocessing: Preprocessing) -> Pixels:
    """The same of an upright RGB image."""
    resize, size = preprocessing.resize, preprocessing.size
    how = preprocessing.interpolation, preprocessing.squash, preprocessing.bars
    return np.array(_cropped(image, resize, size, *how))


def opened_for(data: bytes, resize: int) -> Opened:
    """What `decode` crops from where it resizes to `resize` pixels; a large JPEG is reduced. Raises as `decode`."""
    return opened(data, at_least=max(resize, THUMBNAIL_SIDE))


def opened_whole(data: bytes) -> Opened:
    """The same with all pixels of the file."""
    return opened(data, at_least=MOST_PIXELS)


def opened(data: bytes, at_least: int) -> Opened:
    """The whole image as upright RGB; a JPEG may come reduced to a shorter side of `at_least`. Raises as `decode`."""
    try:
        return _opened(data, at_least)
    except BadImage:
        raise
    except MemoryError:
        raise BadImage(reason="unreadable", detail="not enough memory to decode it", lasting=False) from None
    except Exception as error:  # on damaged bytes Pillow raises a dozen kinds, struct.error and IndexError among them
        raise _verdict(data, error) from None


def _opened(data: bytes, at_least: int) -> Opened:
    """As `opened`, with what Pillow raises; files with a fault that costs no pixel are mended."""
    kind = format_of(data)
    if kind == "JPEG" and ends_early(data):
        if (ended := _ended(data)) is None:
            raise EOFError  # where zeros stand for the rest of the file, libjpeg would show it in gray
        return _read(ended, at_least, ("no-end", "the JPEG file lacks its end marker; all pixels are there"))
    try:
        return _read(data, at_least)
    except ValueError:  # Pillow's, for texts that are longer than it likes; or for damage, which stays
        if kind != "PNG":
            raise
        return _read(png_without_texts(data), at_least)


def _read(data: bytes, at_least: int, mended: Remark | None = None) -> Opened:
    image = Image.open(io.BytesIO(data), formats=_parsers(data))
    _refuse_size(image)
    size = image.size
    scale = at_least / min(size)
    image.draft("RGB", (int(image.width * scale), int(image.height * scale)))
    image.load()
    return Opened(_rgb(_upright(image)), image, size, mended)


def _ended(data: bytes) -> bytes | None:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        _refuse_size(image)
    return ended_jpeg(data)


def _parsers(data: bytes) -> tuple[str, ...]:
    """Pillow's names of the formats to try; raises BadImage for HEIC where the package that reads it is missing."""
    if format_of(data) != "HEIC":
        return _PILLOW_FORMATS
    try:
        package = importlib.import_module("pillow_heif")  # an extra, which is needed for such images alone
    except ImportError:
        advice = "pip install 'convlens[heic]' lets convlens read such images, or convert it to JPEG"
        raise BadImage(reason="unsupported", detail=f"a HEIC image; {advice}", lasting=False) from None
    package.register_heif_opener()
    return ("HEIF",)


def _verdict(data: bytes, error: Exception) -> BadImage:
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return BadImage(reason="too-large", detail=f"over {MOST_PIXELS // 10**6} megapixels")
    if not (found := format_of(data)):
        if other := other_format_of(data):
            return BadImage(reason="not-an-image", detail=f"{other}, which is none of {', '.join(FORMATS)}")
        detail = f"begins with {data[:8]!r}, which is none of {', '.join(FORMATS)}"
        return BadImage(reason="not-an-image", detail=detail)
    if ends_early(data):
        rest = "; pixels are missing" if found == "JPEG" else ""
        return BadImage(reason="truncated", detail=f"the {found} file ends early, after {len(data)} bytes{rest}")
    what = "its header cannot be read" if isinstance(error, UnidentifiedImageError) else error
    return BadImage(reason="unreadable", detail=f"damaged {found} file: {what}")


def _refuse_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        megapixels = f"{width}x{height} pixels, over {MOST_PIXELS // 10**6} megapixels"
        raise BadImage(reason="too-large", detail=megapixels)
    if min(width, height) < LEAST_SIDE:
        raise BadImage(reason="tiny", detail=f"{width}x{height} pixels; the shorter side needs {LEAST_SIDE}")


def turned(image: Image.Image) -> int | None:
    """The EXIF orientation of an image that has to be turned to be upright."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
        return orientation if orientation in _TURNS else None
    except Exception:  # a malformed EXIF block says nothing against the pixels
        return None


def _upright(image: Image.Image) -> Image.Image:
    orientation = turned(image)
    return image if orientation is None else image.transpose(_TURNS[orientation])


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit gray, which Pillow itself would clip to white
        gray = np.asarray(image).clip(0, SIXTEEN_BITS).astype(np.uint32)
        level = white_level(image)
        return Image.fromarray(((gray * 255 + level // 2) // level).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise BadImage(reason="unreadable", detail="floating-point pixels, whose black and white levels are unknown")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _cropped(
    image: Image.Image,
    resize: int,
    size: int,
    interpolation: Interpolation,
    squash: bool,
    bars: tuple[int, int, int] | None,
) -> Image.Image:
    """What a network is shown of an upright RGB image."""
    shown = image if bars is None else _between_bars(image, resize, interpolation, bars)
    return _resized_center(shown, resize, size, interpolation, squash)


def _between_bars(
    image: Image.Image, side: int, interpolation: Interpolation, bars: tuple[int, int, int]
) -> Image.Image:
    """All of an image, its longer side resized to `side` pixels, in the middle of a square of that color."""
    scale = side / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    square = Image.new("RGB", (side, side), bars)
    square.paste(image.resize((width, height), _FILTERS[interpolation]), ((side - width) // 2, (side - height) // 2))
    return square


def _resized_center(
    image: Image.Image, resize: int, size: int, interpolation: Interpolation, squash: bool
) -> Image.Image:
    """Resize the shorter side or both, and crop the center: the very pixels that a crop with its margin has there.

    To compute no others would take a tenth less time for the whole of decoding, but Pillow holds the edges of what is
    resized in single precision, so that pixels would be off by one where augmentation or training wants the margin.
    """
    margin = margin_of(resize, size)
    whole = size + 2 * margin
    shown = image.size if squash else (min(image.size),) * 2
    width, height = (side * whole / resize for side in shown)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    resized = image.resize((whole, whole), _FILTERS[interpolation], box=(left, top, left + width, top + height))
    return resized.crop((margin, margin, margin + size, margin + size))


def thumbnail_of(image: Image.Image, side: int = THUMBNAIL_SIDE) -> bytes:
    """A small JPEG of an RGB image, whose longer side has at most so many pixels."""
    small = (
        image
        if max(image.size) <= side
        else image.resize(_fitting(image, side), Image.Resampling.BILINEAR, reducing_gap=1.0)
    )
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=80)
    return encoded.getvalue()


def thumbnail_from(data: bytes, side: int = THUMBNAIL_SIDE) -> bytes:
    """The same of a file's bytes. Raises BadImage where `decode` would."""
    return thumbnail_of(opened(data, at_least=side).rgb, side)


def _fitting(image: Image.Image, side: int) -> tuple[int, int]:
    scale = side / max(image.size)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))
