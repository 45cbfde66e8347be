"""The split: a fraction of each class, from the seed and the bytes alone."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convlens.data.manifest import Manifest, Picture, Side
from convlens.data.splits import split_pictures

LABELS = ("ant", "bee", "cat")


def picture(content: str, label: str, *, file: str | None = None, side: Side | None = None) -> Picture:
    file = file or f"{label}/{content}.jpg"
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return Picture(path=Path(file), file=file, label=label, side=side, sha256=sha256, bytes=1)


def manifest(pictures: Iterable[Picture]) -> Manifest:
    pictures = tuple(pictures)
    classes = tuple(sorted({one.label for one in pictures}))
    return Manifest(folder="pictures", classes=classes, pictures=pictures, problems=())


def drawn(**counts: int) -> Manifest:
    return manifest(picture(f"{label}-{n}", label) for label, count in counts.items() for n in range(count))


def judged(split: Manifest) -> set[str]:
    return {one.sha256 for one in split.side("val")}


@pytest.mark.parametrize(
    ("count", "fraction", "expected"),
    [(100, 0.2, 20), (10, 0.25, 2), (7, 0.5, 4), (3, 0.1, 1), (2, 0.9, 1), (1, 0.5, 0), (5, 1.0, 4), (5, 0.0, 1)],
)
def test_the_fraction_of_each_class(count: int, fraction: float, expected: int) -> None:
    split = split_pictures(drawn(ant=count, bee=count), fraction, seed=0)
    assert Counter(one.label for one in split.side("val")) == Counter({"ant": expected, "bee": expected})
    assert len(split.side("train")) == 2 * (count - expected)


def test_pictures_that_have_a_side_keep_it() -> None:
    sided = [picture(f"{side}", "ant", side=side) for side in ("train", "val", "test")]
    loose = [picture(f"{n}", "ant") for n in range(10)]
    split = split_pictures(manifest([*sided, *loose]), 0.2, seed=0)
    assert split.pictures[:3] == tuple(sided)
    assert Counter(one.side for one in split.pictures[3:]) == Counter({"train": 8, "val": 2})


def test_nothing_to_split() -> None:
    sided = manifest(picture(f"{side}{label}", label, side=side) for side in ("train", "val") for label in LABELS)  # type: ignore[arg-type]
    assert split_pictures(sided, 0.2, seed=0) == sided


def test_the_seed_decides() -> None:
    pictures = drawn(ant=50, bee=50)
    assert split_pictures(pictures, 0.2, seed=1) == split_pictures(pictures, 0.2, seed=1)
    assert judged(split_pictures(pictures, 0.2, seed=1)) != judged(split_pictures(pictures, 0.2, seed=2))


def test_everything_else_of_the_manifest_stays() -> None:
    before = drawn(ant=5, bee=5)
    after = split_pictures(before, 0.2, seed=0)
    assert [dataclasses.replace(one, side=None) for one in after.pictures] == list(before.pictures)
    assert (after.folder, after.classes, after.problems) == (before.folder, before.classes, before.problems)


manifests = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(LABELS)), min_size=1, max_size=80).map(
    lambda drawn: manifest(
        picture(f"{content}", label, file=f"{label}/{position}.jpg") for position, (content, label) in enumerate(drawn)
    )
)
fractions = st.floats(0, 1)
seeds = st.integers(0, 2**31)


@given(manifests, fractions, seeds)
def test_same_bytes_never_stand_on_both_sides(before: Manifest, fraction: float, seed: int) -> None:
    split = split_pictures(before, fraction, seed)
    assert not judged(split) & {one.sha256 for one in split.side("train")}


@given(st.fixed_dictionaries({label: st.integers(1, 40) for label in LABELS}), fractions, seeds)
def test_every_class_trains_and_is_judged_where_it_has_two(counts: dict[str, int], fraction: float, seed: int) -> None:
    split = split_pictures(drawn(**counts), fraction, seed)
    assert {one.label for one in split.side("train")} == set(LABELS)
    assert {one.label for one in split.side("val")} == {label for label in LABELS if counts[label] > 1}


@given(manifests, fractions, seeds, st.randoms(use_true_random=False))
def test_neither_names_nor_order_matter(before: Manifest, fraction: float, seed: int, random: object) -> None:
    renamed = [dataclasses.replace(one, file=f"{one.label}/x{n}") for n, one in enumerate(before.pictures)]
    random.shuffle(renamed)  # type: ignore[attr-defined]
    after = split_pictures(manifest(renamed), fraction, seed)
    assert judged(after) == judged(split_pictures(before, fraction, seed))


@given(st.integers(2, 60), st.integers(1, 10), fractions, seeds)
def test_adding_pictures_moves_at_most_as_many(count: int, added: int, fraction: float, seed: int) -> None:
    before = judged(split_pictures(drawn(ant=count, bee=3), fraction, seed))
    after = judged(split_pictures(drawn(ant=count + added, bee=3), fraction, seed))
    known = {one.sha256 for one in drawn(ant=count, bee=3).pictures}
    assert len(before ^ (after & known)) <= added


class Counted(tuple[Picture, ...]):
    """Pictures that count how often they are gone through."""

    passes = 0

    def __iter__(self) -> Iterator[Picture]:
        Counted.passes += 1
        return super().__iter__()


def test_the_number_of_passes_does_not_grow_with_the_classes() -> None:
    passes = []
    for num_classes in (2, 200):
        Counted.passes = 0
        pictures = Counted(picture(f"{label}-{n}", f"{label}") for label in range(num_classes) for n in range(2))
        many = Manifest(folder="", classes=tuple(map(str, range(num_classes))), pictures=pictures, problems=())
        split_pictures(many, 0.2, seed=0)
        many.with_usable_classes()
        passes.append(Counted.passes)
    assert passes[0] == passes[1]
