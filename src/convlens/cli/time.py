"""Times as a person gives them to an option."""

import re

from convlens.core.errors import UsageError

_UNITS = {"s": 1, "": 1, "m": 60, "h": 3600}


def seconds_of(option: str, text: str) -> float:
    """Seconds of a time such as 90, 90s, 2m or 1.5h. Raises UsageError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not found:
        raise UsageError(f"{option} {text!r}: give a time such as 90s, 2m or 1h.")
    return float(found[1]) * _UNITS[found[2]]
