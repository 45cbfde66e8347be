"""Questions: what may be meant otherwise of names in a table."""

from collections.abc import Iterator, Sequence

from convlens.core.kinds.columns import Columns
from convlens.core.spelling import same_looking, spelled_alike, told_apart

_NAMED = 5


def questions_of_spelling(columns: Columns, names: Sequence[str]) -> Iterator[str]:
    """Of cells that look the same and were taken as one, and of names that are spelled alike and were not."""
    same = same_looking(cell.text for cells in columns.values() for cell in cells)
    if same:
        told = ", ".join(" as ".join(told_apart(name, kept)) for name, kept in list(same.items())[:_NAMED])
        rest = f" and {len(same) - _NAMED} more" if len(same) > _NAMED else ""
        yield f"cells of the table that look the same are taken as one: {told}{rest}"
    for alike in spelled_alike(names):
        yield (
            f"{', '.join(map(repr, alike[:_NAMED]))} are {len(alike)} names in the table; if they are one, spell them "
            "alike"
        )
