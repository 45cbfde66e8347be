"""Mending: files with a fault that costs no pixel, as viewers and browsers tolerate it."""

import io
import random
from collections.abc import Iterator

from PIL import Image

_END = b"\xff\xd9"
_FILL_BYTES = 16
"""So many equal bytes at the end of a file stand for what is missing, as in a download that was given its size."""
_PADDING_BYTES = 4096
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def ended_jpeg(data: bytes) -> bytes | None:
    """A JPEG file without an end marker, with one; None where pixels are missing.

    A decoder takes what follows the last pixel for nothing, and reads pixels from it where some are missing. So the
    file is whole if the image stays the same, whatever is put between its last byte and the marker.
    """
    kept = data.rstrip(data[-1:])
    if len(data) - len(kept) < _FILL_BYTES:
        kept = data
    ended = kept + _END
    try:
        shown = {_pixels(ended), *(_pixels(kept + padding + _END) for padding in _paddings())}
    except Exception:  # of damaged bytes Pillow raises a dozen kinds
        return None
    return ended if len(shown) == 1 else None


def _pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        return image.tobytes()


def _paddings() -> Iterator[bytes]:
    for seed in range(2):
        # No 0xFF: it begins a marker.
        yield bytes(random.Random(seed).choices(range(255), k=_PADDING_BYTES))


def png_without_texts(data: bytes) -> bytes:
    """A PNG file without its chunks of text: Pillow refuses long ones, as programs for microscopes write them."""
    kept, at = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] not in _PNG_TEXTS:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)
