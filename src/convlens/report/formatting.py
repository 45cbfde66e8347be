"""Numbers as a person reads them. Spaces inside a number and its unit are no-break spaces."""

import math
from collections.abc import Callable, Sequence

NO_BREAK_SPACE = "\u00a0"
_BYTE_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def count(value: int) -> str:
    """1234567 -> '1,234,567'."""
    return f"{value:,}"


def counted(value: int, noun: str, plural: str | None = None) -> str:
    """(1, 'picture') -> '1 picture'; (2, 'picture') -> '2 pictures'."""
    return f"{count(value)}{NO_BREAK_SPACE}{noun if value == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """0.9412 -> '94.1 %'."""
    return f"{100 * share:.1f}{NO_BREAK_SPACE}%" if math.isfinite(share) else number(share)


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
    """0.042 -> '0.04 s'; 12.34 -> '12.3 s'; 185 -> '3 min 05 s'; 7380 -> '2 h 03 min'."""
    if seconds < 9.995:
        return f"{seconds:.2f}{NO_BREAK_SPACE}s"
    if seconds < 59.95:
        return f"{seconds:.1f}{NO_BREAK_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NO_BREAK_SPACE}min{NO_BREAK_SPACE}{rest:02d}{NO_BREAK_SPACE}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}{NO_BREAK_SPACE}h{NO_BREAK_SPACE}{minutes:02d}{NO_BREAK_SPACE}min"


def byte_size(num_bytes: int) -> str:
    """2048 -> '2.0 kB', in powers of 1000."""
    value, unit = float(num_bytes), 0
    while value >= 999.95 and unit < len(_BYTE_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.{1 if unit else 0}f}{NO_BREAK_SPACE}{_BYTE_UNITS[unit]}"


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
