"""Numbers as a person reads them. Spaces inside a number and its unit are no-break spaces."""

import base64
import math
from collections.abc import Callable, Sequence

from convlens.core import durations
from convlens.core.amounts import size_of

NO_BREAK_SPACE = "\u00a0"
_QUANTITIES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def jpeg_uri(jpeg: bytes) -> str:
    """A JPEG as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def count(value: int) -> str:
    """1234567 -> '1,234,567'."""
    return f"{value:,}"


def counted(value: int, noun: str, plural: str | None = None) -> str:
    """(1, 'image') -> '1 image'; (2, 'image') -> '2 images'."""
    return f"{count(value)}{NO_BREAK_SPACE}{noun if value == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """0.9412 -> '94.1%'."""
    return f"{100 * share:.1f}%" if math.isfinite(share) else number(share)


def share(value: float | None) -> str:
    """A percentage, or a dash where there is none."""
    return "–" if value is None else percent(value)


def number(value: float) -> str:
    """Four significant digits; what is not finite is said in words."""
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    return f"{value:.4g}"


def score(value: float) -> str:
    """A precision, recall, F1 or area with three decimals, so that columns line up."""
    return f"{value:.3f}" if math.isfinite(value) else number(value)


def duration(seconds: float) -> str:
    """As `core.durations.duration`, on one line."""
    return durations.duration(seconds).replace(" ", NO_BREAK_SPACE)


def byte_size(num_bytes: int) -> str:
    """2048 -> '2.0 kB', in powers of 1000."""
    return size_of(num_bytes).replace(" ", NO_BREAK_SPACE)


def quantity(value: float) -> str:
    """Three significant digits and a unit: 1814073344 -> '1.81 G'."""
    for size, unit in _QUANTITIES:
        if value >= size:
            return f"{value / size:.3g}{NO_BREAK_SPACE}{unit}"
    return f"{value:.3g}"


def shape(sizes: Sequence[int]) -> str:
    """[512, 7, 7] -> '512 × 7 × 7'; a scalar has the shape 'scalar'."""
    return f"{NO_BREAK_SPACE}×{NO_BREAK_SPACE}".join(str(size) for size in sizes) or "scalar"


def setting(value: str | int | float | bool) -> str:
    """A recipe's value, exactly as recorded; truth values as TOML writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


FILTERS: dict[str, Callable[..., str]] = {
    "byte_size": byte_size,
    "count": count,
    "counted": counted,
    "duration": duration,
    "number": number,
    "percent": percent,
    "score": score,
    "share": share,
    "setting": setting,
    "shape": shape,
}
"""What the templates use, by the same names."""
