"""Class numbers: which output of a network a class folder means, by any of the names that its classes have."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from convlens.core.errors import DataError
from convlens.core.spelling import spelling_key

_NAMED = 3

Aliases = tuple[str, ...]
"""The names of a class: its key (a synset number, or its only name), its main name, and others."""


def class_numbers(labels: Sequence[str], classes: Sequence[Aliases], network: str, advice: str = "") -> dict[str, int]:
    """Label -> number of the class in the network's output.

    An exact name goes before one that is spelled alike (see `spelling_key`); then a key before a main name,
    and that before others: of ImageNet's classes "crayfish" is one, and another name of the spiny lobster. Raises
    DataError, with `advice`, for labels that are no class, and for those that may be several.
    """
    tables = list(_tables(classes))
    found = {label: _called(label, tables) for label in labels}
    if strange := [label for label, numbers in found.items() if not numbers]:
        raise DataError(_no_class(strange, classes, network) + advice)
    for label, numbers in found.items():
        if len(numbers) > 1:
            which = " or ".join(repr(classes[number][0]) for number in sorted(numbers))
            raise DataError(f"{label!r} may be {which} of {network}. Name the folder exactly so.")
    return {label: number for label, (number,) in found.items()}


_Spelling = Callable[[str], str]
_Table = tuple[_Spelling, Mapping[str, Collection[int]]]


def _tables(classes: Sequence[Aliases]) -> Iterator[_Table]:
    """Name -> the classes of that name; the tables that go before others first."""
    for spelled in (str, _plain):
        for rank in (slice(0, 1), slice(1, 2), slice(2, None)):
            table: defaultdict[str, set[int]] = defaultdict(set)
            for number, aliases in enumerate(classes):
                for alias in aliases[rank]:
                    table[spelled(alias)].add(number)
            yield spelled, table


def _called(label: str, tables: Sequence[_Table]) -> Collection[int]:
    return next((table[spelled(label)] for spelled, table in tables if spelled(label) in table), ())


def _plain(name: str) -> str:
    return spelling_key(name)


def _no_class(strange: Sequence[str], classes: Sequence[Aliases], network: str) -> str:
    rest = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
    known = ", ".join(" or ".join(map(repr, aliases[:2])) for aliases in classes[:_NAMED])
    return (
        f"{', '.join(map(repr, strange[:_NAMED]))}{rest} is not a class of {network}, which has {len(classes)} "
        f"classes: {known} ... Name the folders after its classes."
    )
