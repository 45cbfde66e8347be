"""Class folders: which folders of a folder of images are its classes, and which are the sides of a split.

Where that is a guess, a notice says what was found and how to say otherwise.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from convlens.core.errors import DataError
from convlens.core.settings import setting
from convlens.core.spelling import spelled_alike
from convlens.data.folder_tree import FolderTree
from convlens.data.foreign import is_clutter, is_document
from convlens.data.manifest import SIDES, Place, Side
from convlens.data.segmentation import refuse_segmentation
from convlens.data.side_names import SIDE_NAMES, SideName, side_name
from convlens.data.spelling import matched_to_training
from convlens.data.walk import files_below, shown, why_left_out

_NAMED = 5
_NO_CLASSES = re.compile(
    r"(19|20)\d\d([-_.]?\d\d){0,2}|\d{1,2}[-_.]\d{1,2}[-_.](19|20)?\d\d|\d{3}_?(canon|apple|media|pana|nikon|msdcf|olymp)"
    r"|(cam|camera|session|batch|part|chunk|shard|device|scan|run|day|week|month)[-_ ]?(\d+|[a-d])",
    re.IGNORECASE,
)
"""Names of folders by date, camera or part."""


class ClassFolders(NamedTuple):
    """The class folders with their labels and sides, and what is to be said of how they were found."""

    places: list[Place]
    notices: tuple[str, ...] = ()


def class_folders(root: Path, *, nested: bool, predefined_split: bool, least: int = 2) -> ClassFolders:
    """The class folders below `root`: its folders, or those in its `train/` and `val/`, or `cats/train` and so on.

    A folder that alone lies in another is gone into. Where `nested`, every folder that holds images is a class. With
    `predefined_split` False no folder is taken for a side. Raises DataError for fewer than `least` classes, for a
    split without class folders, and for images beside their masks.
    """
    tree = FolderTree(root)
    start = _innermost(tree, root)
    asked: tuple[str, ...] = ()
    refuse_segmentation(start, _names(tree.inner(start)))
    found = (_split_first(tree, start, nested) or _class_first(tree, start)) if predefined_split else None
    if found is None:
        if predefined_split:
            _refuse_flat_split(tree, start)
            asked = tuple(_said_of_sides(tree, start))
        start = root if nested else start
        found = ClassFolders([(path, (label,), None) for path, label in _classes_of(tree, start, nested)], asked)
    places, renamed = matched_to_training(found.places)
    _refuse_few_classes(root, names_of(places), least)
    notices = [*found.notices, *renamed]
    if start != root:
        notices.insert(0, f"the class folders lie in {_below(start, root)}")
    return ClassFolders(places, (*notices, *_questions(tree, places)))


def names_of(places: Iterable[Place]) -> tuple[str, ...]:
    """The labels of the places, in the order of the alphabet."""
    return tuple(sorted({name for _, labels, _ in places for name in labels}))


def as_given(side: Side | None, there: Collection[Side | None]) -> Side | None:
    """The side of images that were given one: where nothing else can be evaluated, those for training are to be split.

    A test side stays as it is, and so does a training side beside images that have none: these are split.
    """
    return None if side == "train" and not {"val", None} & set(there) else side


def _innermost(tree: FolderTree, folder: Path) -> Path:
    """The folder, or the one in it that holds several where all above it hold a single one."""
    inner = folder
    while len(single := tree.with_images(inner)) == 1:
        if (side := side_name(single[0].name)) and side.side == "train" and len(tree.inner(single[0])) < 2:
            break
        inner = single[0]
    return inner if len(tree.with_images(inner)) > 1 else folder


def _split_first(tree: FolderTree, start: Path, nested: bool) -> ClassFolders | None:
    """Folders of sides that hold class folders, where such lie in `start`."""
    folders = tree.inner(start)
    holding = {path: name for path in _sides_among(folders) if tree.inner(path) and (name := side_name(path.name))}
    sides = {path: name.side for path, name in _without_backups(holding).items()}
    named_exactly = any(not holding[path].rest for path, side in sides.items() if side == "train")
    whole = len({*sides.values()}) > 1 and ("train" in sides.values() or len(sides) == len(tree.with_images(start)))
    if not named_exactly and not whole:
        return None
    inside = _inside(tree, list(sides), nested)
    there = set(sides.values())
    places: list[Place] = [
        (inner, (label,), as_given(side, there))
        for path, side in sides.items()
        for inner, label in _classes_of(tree, inside[path], nested)
    ]
    for path, side in sides.items():
        if side == "train":
            refuse_segmentation(inside[path], [label for (label,) in {labels for _, labels, _ in places}])
    left = [path for path in tree.with_images(start) if path not in sides]
    return ClassFolders(places, tuple(_told(tree, start, sides, inside, left)))


def _told(
    tree: FolderTree, start: Path, sides: dict[Path, Side], inside: dict[Path, Path], left: list[Path]
) -> Iterator[str]:
    """What is said of a split that is not spelled as documented, or that leaves folders out."""
    twice = len({*sides.values()}) < len(sides)
    unusual = any(inside[path] != path or path.name.lower() not in SIDE_NAMES for path in sides)
    if twice or unusual or left:
        meant = ", ".join(f"{_below(inside[path], start)} ({side})" for path, side in sides.items())
        others = ", ".join(_name(path) + ("" if tree.inner(path) else " (no class folders)") for path in left[:_NAMED])
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        rest = f"; left out: {others}{more}" if left else ""
        yield f"split folders: {meant}{rest}. If these are classes, {_otherwise()}"


def _otherwise() -> str:
    return f"set {setting('predefined_split', False)}"


def _sides_among(folders: Sequence[Path]) -> list[Path]:
    """Those called as sides are, and those with the same or no particular words beside the side's name."""
    named = {path: name for path in folders if (name := side_name(path.name))}
    by_rest: defaultdict[tuple[str, ...], set[Side]] = defaultdict(set)
    for name in named.values():
        by_rest[name.rest].add(name.side)
    return [path for path, name in named.items() if name.plain or len(by_rest[name.rest]) > 1]


def _without_backups(named: dict[Path, SideName]) -> dict[Path, SideName]:
    """Where a side has a folder of exactly its name, others are not it: train_old/ beside train/."""
    exact = {name.side for name in named.values() if not name.rest}
    kept = {path: name for path, name in named.items() if not name.rest or name.side not in exact}
    return dict(sorted(kept.items(), key=lambda item: SIDES.index(item[1].side)))


def _inside(tree: FolderTree, sides: Sequence[Path], nested: bool) -> dict[Path, Path]:
    """For each folder of a side the one that holds its class folders: a single one in it, as in seg_train/seg_train.

    Where `nested`, such a folder is a part of the classes' names unless it is called after a side, too.
    """
    inner = {path: tree.with_images(path) for path in sides}
    single = {path: found[0] for path, found in inner.items() if len(found) == 1 and tree.with_images(found[0])}
    single = {path: inner for path, inner in single.items() if not nested or side_name(inner.name)}
    if len(single) == len(sides):
        return dict(zip(sides, _inside(tree, list(single.values()), nested).values(), strict=True))
    known = Counter(name for path in sides for name in _names(tree.inner(path)))
    return {path: single[path] if path in single and known[_name(single[path])] == 1 else path for path in sides}


def _class_first(tree: FolderTree, start: Path) -> ClassFolders | None:
    """`cats/train`, `cats/val`, `dogs/train` and so on, where no class holds other folders."""
    inner = {path: tree.inner(path) for path in tree.inner(start)}
    named = {path: side_name(path.name) for some in inner.values() for path in some}
    meant = {path: name.side for path, name in named.items() if name}
    if not meant or len(meant) < len(named) or "train" not in meant.values() or len({*meant.values()}) < 2:
        return None
    there = set(meant.values())
    places: list[Place] = [
        (path, (_name(of_class),), as_given(meant[path], there)) for of_class, some in inner.items() for path in some
    ]
    places += [(of_class, (_name(of_class),), None) for of_class, some in inner.items() if not some]
    shown_sides = _some(sorted({_name(path) for path in meant}))
    return ClassFolders(
        places,
        (f"split folders in each class: {shown_sides}. If they are not a split, {_otherwise()}",),
    )


def _refuse_flat_split(tree: FolderTree, start: Path) -> None:
    """Raises DataError where the folders are a split without classes: its sides would be learned as classes."""
    holding = tree.with_images(start)
    sides = {path: name.side for path in _sides_among(holding) if (name := side_name(path.name))}
    flat = sorted((path for path in sides if not tree.inner(path)), key=lambda path: SIDES.index(sides[path]))
    there = {sides[path] for path in flat}
    exact = all(path.name.lower() in SIDE_NAMES for path in flat)
    if "train" in there and len(there) > 1 and (len(flat) == len(holding) or not exact):
        raise DataError(
            f"{start} holds {_some(_names(flat))}, which look like a split, but there are no class folders in them. "
            f"Put the images of each class into a folder of its own ({_name(flat[0])}/cats/*.jpg), or give a table of "
            f"labels ({setting('labels', 'CSV')}); or, if these folders are the classes, {_otherwise()}."
        )


def _said_of_sides(tree: FolderTree, start: Path) -> Iterator[str]:
    """What is said of classes that have the names of two sides, as those beside folders of other names may."""
    named = [path for path in tree.inner(start) if path.name.lower() in SIDE_NAMES]
    if len({SIDE_NAMES[path.name.lower()] for path in named}) > 1:
        yield (
            f"{_some(_names(named))} are trained as classes. If they are a split, put class folders into them, as in "
            f"{_name(named[0])}/cats/*.jpg"
        )


def _classes_of(tree: FolderTree, folder: Path, nested: bool) -> list[tuple[Path, str]]:
    """The class folders in one that holds them, each with its label."""
    if not nested:
        return [(path, _name(path)) for path in tree.inner(folder)]
    files = (path for path in files_below(folder) if not path.is_dir() and not is_document(path))
    inside = sorted({path.parent for path in files} - {folder})
    return [(path, shown(path.relative_to(folder))) for path in inside]


def _refuse_few_classes(root: Path, classes: Sequence[str], least: int) -> None:
    if len(classes) < least:
        what = f"one class folder only, {classes[0]!r}" if classes else "no class folders"
        needed = "two are" if least > 1 else "one is"
        raise DataError(
            f"{root} holds {what}. At least {needed} needed: {root.name}/cats/*.jpg, {root.name}/dogs/*.jpg, or "
            f"{root.name}/train/cats/*.jpg and so on, with {root.name}/val/ beside train/." + _left_out(root)
        )


def _left_out(root: Path) -> str:
    """What is said of folders that might have been meant as classes."""
    inner = (path for path in sorted(root.iterdir()) if path.is_dir() and not is_clutter(path.name))
    told = [f"{_name(path)} ({what})" for path in inner if (what := why_left_out(path))]
    return f" Left out: {', '.join(told)}." if told else ""


def _questions(tree: FolderTree, places: Sequence[Place]) -> Iterator[str]:
    """What may have been meant otherwise of the classes that were found."""
    classes = names_of(place for place in places if place[2] in ("train", None))
    for alike in spelled_alike(classes):
        yield f"{_some(alike)} are trained as {len(alike)} classes; if they are one, give their folders one name"
    if all(_NO_CLASSES.fullmatch(name) for name in classes):
        yield (
            f"the classes are {_some(classes)}, by the names of the folders. If these are dates, cameras or parts and "
            f"no classes, give a table of labels ({setting('labels', 'CSV')})" + _inner_hint(tree, places, "")
        )
    elif inner := _inner_hint(tree, places, "each class holds the same folders"):
        yield f"the classes are {_some(classes)}. {inner[0].upper()}{inner[1:]}"


def _inner_hint(tree: FolderTree, places: Sequence[Place], start: str) -> str:
    """Where all classes hold the same folders, that those may be the classes."""
    inner = set(_names(tree.inner(places[0][0])))
    if len(inner) < 2 or any(set(_names(tree.inner(path))) != inner for path, _, _ in places):
        return ""
    told = f"{start}, {_some(sorted(inner))}" if start else f"; each holds {_some(sorted(inner))}"
    return f"{told}: if those are the classes, put them outermost"


def _names(folders: Iterable[Path]) -> list[str]:
    return [_name(path) for path in folders]


def _name(path: Path) -> str:
    return shown(Path(path.name))


def _below(path: Path, root: Path) -> str:
    return shown(path.relative_to(root))


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + rest
