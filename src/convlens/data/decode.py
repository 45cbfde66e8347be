"""Decode: from a file's bytes to 8-bit RGB pixels of a stated size, with one definition for every format.

Alpha is shown on white; 16-bit grey is scaled by 1/257; EXIF orientation is applied; of an animation the first
frame is used. Only JPEG, PNG, WebP, GIF, BMP and TIFF are parsed.
"""

import dataclasses
import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

DECODER_VERSION = 1
"""Raised when the same bytes would give other pixels; stored features know it."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MOST_PIXELS = 64_000_000
LEAST_SIDE = 8
THUMBNAIL_SIDE = 128

# Pillow's own way to refuse what it only warns of; the limit above is lower.
warnings.simplefilter("error", Image.DecompressionBombWarning)

_ORIENTATION = 0x0112
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

Pixels = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BadPicture(Exception):  # noqa: N818  (a verdict on a file, which is listed and not an error of the program)
    """Why a file gives no picture: one word, and a detail for a person."""

    reason: str
    detail: str
    lasting: bool = True
    """Whether this is a property of the bytes, and not of the moment at which they were read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoded:
    """A picture: RGB pixels of shape (size, size, 3), what is remarkable about the file, and a small JPEG."""

    pixels: Pixels
    remark: tuple[str, str] | None
    """A word and a detail, such as ("animated", "12 frames, the first is used")."""
    thumbnail: bytes


def decode(data: bytes, *, resize: int, size: int, interpolation: str = "bilinear") -> Decoded:
    """The picture in `data`, its shorter side resized to `resize` pixels and the central `size` x `size` cropped.

    Raises BadPicture with the reason not-an-image, truncated, unreadable, too-large or tiny.
    """
    image = _opened(data)
    frames = getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP", "PNG") else 1
    _refuse_size(image)
    rgb = _loaded_rgb(image, at_least=max(resize, THUMBNAIL_SIDE))
    remark = ("animated", f"{frames} frames, the first is used") if frames > 1 else None
    return Decoded(
        pixels=np.array(_resized_centre(rgb, resize, size, interpolation)),
        remark=remark,
        thumbnail=_thumbnail(rgb),
    )


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise BadPicture(
            reason="not-an-image", detail=f"begins with {data[:8]!r}, which is none of {', '.join(FORMATS)}"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture(reason="too-large", detail=f"over {MOST_PIXELS // 10**6} megapixels") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadPicture(reason="unreadable", detail=str(error)) from None


def _refuse_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        megapixels = f"{width}x{height} pixels, over {MOST_PIXELS // 10**6} megapixels"
        raise BadPicture(reason="too-large", detail=megapixels)
    if min(width, height) < LEAST_SIDE:
        raise BadPicture(
            reason="tiny", detail=f"{width}x{height} pixels; the shorter side needs {LEAST_SIDE}"
        )


def _loaded_rgb(image: Image.Image, at_least: int) -> Image.Image:
    """The whole picture as RGB; a JPEG may be decoded at a scale whose shorter side is still `at_least`."""
    scale = at_least / min(image.size)
    image.draft("RGB", (int(image.width * scale), int(image.height * scale)))
    try:
        image.load()
        if image.getexif().get(_ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
        return _rgb(image)
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        truncated = (
            "truncated" in str(error) or "broken data stream" in str(error) or isinstance(error, EOFError)
        )
        raise BadPicture(reason="truncated" if truncated else "unreadable", detail=str(error)) from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow itself would clip to white
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8), "L").convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _resized_centre(image: Image.Image, resize: int, size: int, interpolation: str) -> Image.Image:
    """Resize the shorter side and crop the centre, in one step: only the pixels that stay are computed."""
    side = min(image.size) * size / resize
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize((size, size), _FILTERS[interpolation], box=(left, top, left + side, top + side))


def _thumbnail(image: Image.Image) -> bytes:
    small = (
        image.copy() if max(image.size) <= THUMBNAIL_SIDE else image.resize(_fitting(image), reducing_gap=2.0)
    )
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=80)
    return encoded.getvalue()


def _fitting(image: Image.Image) -> tuple[int, int]:
    scale = THUMBNAIL_SIDE / max(image.size)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))
