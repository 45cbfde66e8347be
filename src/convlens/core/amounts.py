"""Ages and sizes as people write and read them: 30d, 5GB."""

import re

from convlens.core.errors import UsageError
from convlens.core.settings import setting

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def seconds_in(name: str, value: str | float) -> float:
    """Seconds of an age such as 30d, 12h or 2w, or the number itself. Raises UsageError for anything else."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", value.strip().lower())
        if found:
            return float(found[1]) * _SECONDS[found[2]]
    elif value >= 0:
        return float(value)
    raise UsageError(f"{setting(name, value)}: give an age such as 12h, 30d or 8w.")


def bytes_in(name: str, value: str | int) -> int:
    """Bytes of a size such as 500MB or 5GB, in powers of 1000, or the number itself. Raises UsageError otherwise."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", value.strip().lower())
        if found and (found[2] or float(found[1]) == 0):
            return int(float(found[1]) * _BYTES[found[2]])
    elif value >= 0:
        return value
    raise UsageError(f"{setting(name, value)}: give a size such as 500MB or 5GB.")


def size_of(num_bytes: float) -> str:
    """9126805 -> '9.1 MB', in powers of 1000."""
    value, unit = float(num_bytes), 0
    while value >= 999.95 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.{1 if unit else 0}f} {_UNITS[unit]}"
