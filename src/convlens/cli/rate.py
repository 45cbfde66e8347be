"""Rates as a person gives them to an option."""

import re

from convlens.core.errors import UsageError


def rate_of(option: str, text: str) -> float:
    """The part that is meant by 5% or 0.05. Raises UsageError for anything else, and for 1 and above without %."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*(%?)", text.strip())
    if not found or (not found[2] and float(found[1]) >= 1):
        raise UsageError(f"{option} {text!r}: give a rate such as 5% or 0.05.")
    return float(found[1]) / 100 if found[2] else float(found[1])
