"""Names of classes that are spelled otherwise outside the training images."""

from collections import defaultdict
from collections.abc import Sequence

from convlens.core.spelling import spelling_key, told_apart
from convlens.data.manifest import Place

_NAMED = 5


def matched_to_training(places: Sequence[Place]) -> tuple[list[Place], list[str]]:
    """The class folders with the names that those for training have, and what is to be said of names that differed.

    A name that fits none of them, or several, stays as it is.
    """
    trained = {name for _, labels, side in places if side in ("train", None) for name in labels}
    alike: defaultdict[str, set[str]] = defaultdict(set)
    for name in trained:
        alike[spelling_key(name)].add(name)
    renamed = {
        name: next(iter(alike[spelling_key(name)]))
        for name in sorted({name for _, labels, _ in places for name in labels} - trained)
        if len(alike.get(spelling_key(name), ())) == 1
    }
    if not renamed:
        return list(places), []
    told = ", ".join(" and ".join(told_apart(name, to)) for name, to in list(renamed.items())[:_NAMED])
    rest = f" and {len(renamed) - _NAMED} more" if len(renamed) > _NAMED else ""
    matched: list[Place] = [
        (path, tuple(renamed.get(name, name) for name in labels), side) for path, labels, side in places
    ]
    return matched, [f"class folders outside the training images differ in spelling: {told}{rest} are one class each"]
