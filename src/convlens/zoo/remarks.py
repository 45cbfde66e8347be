"""Remarks: what a person is told, in one line, of weights that were made to fit."""

from collections.abc import Sequence

from convlens.zoo.alignment import Alignment
from convlens.zoo.checkpoint import Checkpoint

_SHOWN = 3


def remarks(checkpoint: Checkpoint, alignment: Alignment, *more: str) -> str:
    """All that was guessed or left out, joined by semicolons; "" where the file fits as it is."""
    found = []
    if checkpoint.others:
        found.append(
            f"of several states in the file, that under {checkpoint.place!r} is taken, not "
            f"{_listed(checkpoint.others)} (to take another, save it alone)"
        )
    if alignment.prefix:
        found.append(f"the prefix {alignment.prefix + '.'!r} is taken off its names")
    if alignment.rivals:
        found.append(
            f"under {_listed([f'{one}.' if one else 'no prefix' for one in alignment.rivals])} it holds as much of the "
            "network, which is not taken (to take that, save it alone)"
        )
    if left_out := (*alignment.left_out, *checkpoint.extras):
        found.append(f"left out, since the network has no such part: {_listed(left_out)}")
    return "; ".join((*found, *filter(None, more)))


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
