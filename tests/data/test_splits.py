"""The split: a fraction of each class, from the seed and the bytes alone."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convlens.core.errors import DataError, UsageError
from convlens.core.kinds.kind import text_of
from convlens.data.manifest import ImageFile, Manifest, Side
from convlens.data.split_file import split_given_back, split_table
from convlens.data.splits import fold, split_images

LABELS = ("ant", "bee", "cat")


def image(content: str, label: str, *, file: str | None = None, side: Side | None = None) -> ImageFile:
    file = file or f"{label}/{content}.jpg"
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return ImageFile(path=Path(file), file=file, labels=(label,), side=side, sha256=sha256, bytes=1)


def manifest(images: Iterable[ImageFile]) -> Manifest:
    images = tuple(images)
    classes = tuple(sorted({text_of(one.labels) for one in images}))
    return Manifest(folder="images", classes=classes, images=images, problems=())


def drawn(**counts: int) -> Manifest:
    return manifest(image(f"{label}-{n}", label) for label, count in counts.items() for n in range(count))


def judged(split: Manifest) -> set[str]:
    return {one.sha256 for one in split.side("val")}


@pytest.mark.parametrize(
    ("count", "fraction", "expected"),
    [(100, 0.2, 20), (10, 0.25, 2), (7, 0.5, 4), (3, 0.1, 1), (2, 0.9, 1), (1, 0.5, 0), (5, 1.0, 4), (5, 0.0, 1)],
)
def test_the_fraction_of_each_class(count: int, fraction: float, expected: int) -> None:
    split = split_images(drawn(ant=count, bee=count), fraction, seed=0)
    assert Counter(text_of(one.labels) for one in split.side("val")) == Counter({"ant": expected, "bee": expected})
    assert len(split.side("train")) == 2 * (count - expected)


def test_images_that_have_a_side_keep_it() -> None:
    sided = [image(f"{side}", "ant", side=side) for side in ("train", "val", "test")]
    loose = [image(f"{n}", "ant") for n in range(10)]
    split = split_images(manifest([*sided, *loose]), 0.2, seed=0)
    assert split.images[:3] == tuple(sided)
    assert Counter(one.side for one in split.images[3:]) == Counter({"train": 8, "val": 2})


def test_nothing_to_split() -> None:
    sided = manifest(image(f"{side}{label}", label, side=side) for side in ("train", "val") for label in LABELS)  # type: ignore[arg-type]
    assert split_images(sided, 0.2, seed=0) == sided


def test_the_seed_decides() -> None:
    images = drawn(ant=50, bee=50)
    assert split_images(images, 0.2, seed=1) == split_images(images, 0.2, seed=1)
    assert judged(split_images(images, 0.2, seed=1)) != judged(split_images(images, 0.2, seed=2))


def test_everything_else_of_the_manifest_stays() -> None:
    before = drawn(ant=5, bee=5)
    after = split_images(before, 0.2, seed=0)
    assert [dataclasses.replace(one, side=None) for one in after.images] == list(before.images)
    assert (after.folder, after.classes, after.problems) == (before.folder, before.classes, before.problems)


manifests = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(LABELS)), min_size=1, max_size=80).map(
    lambda drawn: manifest(
        image(f"{content}", label, file=f"{label}/{position}.jpg") for position, (content, label) in enumerate(drawn)
    )
)
fractions = st.floats(0, 1)
seeds = st.integers(0, 2**31)


@given(manifests, fractions, seeds)
def test_same_bytes_never_stand_on_both_sides(before: Manifest, fraction: float, seed: int) -> None:
    split = split_images(before, fraction, seed)
    assert not judged(split) & {one.sha256 for one in split.side("train")}


@given(st.fixed_dictionaries({label: st.integers(1, 40) for label in LABELS}), fractions, seeds)
def test_every_class_trains_and_is_judged_where_it_has_two(counts: dict[str, int], fraction: float, seed: int) -> None:
    split = split_images(drawn(**counts), fraction, seed)
    assert {text_of(one.labels) for one in split.side("train")} == set(LABELS)
    assert {text_of(one.labels) for one in split.side("val")} == {label for label in LABELS if counts[label] > 1}


@given(manifests, fractions, seeds, st.randoms(use_true_random=False))
def test_neither_names_nor_order_matter(before: Manifest, fraction: float, seed: int, random: object) -> None:
    renamed = [dataclasses.replace(one, file=f"{text_of(one.labels)}/x{n}") for n, one in enumerate(before.images)]
    random.shuffle(renamed)  # type: ignore[attr-defined]
    after = split_images(manifest(renamed), fraction, seed)
    assert judged(after) == judged(split_images(before, fraction, seed))


@given(st.integers(2, 60), st.integers(1, 10), fractions, seeds)
def test_adding_images_moves_at_most_as_many(count: int, added: int, fraction: float, seed: int) -> None:
    before = judged(split_images(drawn(ant=count, bee=3), fraction, seed))
    after = judged(split_images(drawn(ant=count + added, bee=3), fraction, seed))
    known = {one.sha256 for one in drawn(ant=count, bee=3).images}
    assert len(before ^ (after & known)) <= added


class Counted(tuple[ImageFile, ...]):
    """Images that count how often they are gone through."""

    passes = 0

    def __iter__(self) -> Iterator[ImageFile]:
        Counted.passes += 1
        return super().__iter__()


def test_the_number_of_passes_does_not_grow_with_the_classes() -> None:
    passes = []
    for num_classes in (2, 200):
        Counted.passes = 0
        images = Counted(image(f"{label}-{n}", f"{label}") for label in range(num_classes) for n in range(2))
        many = Manifest(folder="", classes=tuple(map(str, range(num_classes))), images=images, problems=())
        split_images(many, 0.2, seed=0)
        many.with_usable_classes()
        passes.append(Counted.passes)
    assert passes[0] == passes[1]


def in_groups(sizes: dict[str, int], label: str = "ant") -> list[ImageFile]:
    """Images of groups with these names and sizes."""
    return [
        dataclasses.replace(image(f"{name}-{n}", label), group=name)
        for name, size in sizes.items()
        for n in range(size)
    ]


class TestUnits:
    @given(st.lists(st.integers(1, 12), min_size=2, max_size=20), fractions, seeds)
    def test_a_group_never_stands_on_both_sides(self, sizes: list[int], fraction: float, seed: int) -> None:
        images = in_groups({f"video{n}": size for n, size in enumerate(sizes)})
        split = split_images(manifest([*images, *drawn(bee=4).images]), fraction, seed)
        sides_of = {name: {one.side for one in split.images if one.group == name} for name in {p.group for p in images}}
        assert all(len(sides) == 1 for sides in sides_of.values())
        assert (
            {text_of(one.labels) for one in split.side("train")}
            == {text_of(one.labels) for one in split.side("val")}
            == {"ant", "bee"}
        )

    @given(st.integers(0, 10_000))
    def test_with_groups_the_fraction_is_met_about(self, seed: int) -> None:
        images = in_groups({f"video{n}": 1 + n % 7 for n in range(60)})
        judged_part = len(split_images(manifest(images), 0.2, seed).side("val")) / len(images)
        assert 0.18 <= judged_part <= 0.22

    def test_images_that_look_alike_stay_together_and_so_do_their_groups(self) -> None:
        images = [*in_groups({"a": 5, "b": 5, "c": 5, "d": 5}), *drawn(bee=8).images]
        for seed in range(20):
            split = split_images(manifest(images), 0.5, seed, alike=[(0, 7), (20, 27)])
            assert len({one.side for one in split.images if one.group in ("a", "b")}) == 1
            assert split.images[20].side == split.images[27].side

    def test_a_group_over_two_classes(self) -> None:
        images = in_groups({"day1": 5, "day2": 5, "day3": 5}) + in_groups({"day1": 5, "day2": 5, "day3": 5}, "bee")
        split = split_images(manifest(images), 0.3, seed=0)
        assert len({one.group for one in split.side("val")}) == 1
        assert Counter(text_of(one.labels) for one in split.side("val")) == Counter({"ant": 5, "bee": 5})

    @pytest.mark.parametrize("side", ["train", "val", "test"])
    def test_what_belongs_to_a_image_with_a_side_takes_that_side(self, side: Side) -> None:
        images = [image("a", "ant", side=side), *drawn(ant=9, bee=9).images]
        for seed in range(8):
            split = split_images(manifest(images), 0.5, seed, alike=[(0, 3)])
            assert split.images[3].side == side

    def test_a_image_like_one_for_training_and_one_for_judging_is_not_learnt(self) -> None:
        images = [image("a", "ant", side="train"), image("b", "ant", side="val"), image("c", "ant")]
        split = split_images(manifest([*images, *drawn(bee=4).images]), 0.2, 0, alike=[(0, 2), (1, 2)])
        assert [one.side for one in split.images[:3]] == ["train", "val", "val"]

    def test_a_group_that_grows_stays_where_it_is(self) -> None:
        sizes = {f"video{n}": 4 for n in range(40)}
        before = {one.group for one in split_images(manifest(in_groups(sizes)), 0.25, 3).side("val")}
        after = {one.group for one in split_images(manifest(in_groups({**sizes, "video7": 5})), 0.25, 3).side("val")}
        assert len(before ^ after) <= 1


class TestFolds:
    def test_every_image_is_judged_once(self) -> None:
        images = manifest([*drawn(ant=23, bee=11).images, image("t", "ant", side="test")])
        folds = [fold(images, number, 5, seed=0) for number in range(1, 6)]
        seen = Counter(one.sha256 for one_fold in folds for one in one_fold.side("val"))
        assert set(seen.values()) == {1}
        assert len(seen) == 34
        assert all(len(one.side("test")) == 1 for one in folds)
        counts = [Counter(text_of(one.labels) for one in one_fold.side("val")) for one_fold in folds]
        assert {count["ant"] for count in counts} == {4, 5}
        assert {count["bee"] for count in counts} == {2, 3}

    def test_added_images_move_only_what_stands_at_a_border(self) -> None:
        before = {one.sha256 for one in fold(drawn(ant=200, bee=9), 2, 5, seed=0).side("val")}
        after = {one.sha256 for one in fold(drawn(ant=205, bee=9), 2, 5, seed=0).side("val")}
        assert len(before ^ after) <= 10

    def test_groups_and_images_that_look_alike_stay_together(self) -> None:
        images = manifest([*in_groups({f"video{n}": 3 for n in range(8)}), *drawn(bee=12).images])
        for number in (1, 2, 3):
            judged_groups = {one.group for one in fold(images, number, 3, 0, alike=[(0, 4)]).side("val")} - {""}
            trained = {one.group for one in fold(images, number, 3, 0, alike=[(0, 4)]).side("train")}
            assert not judged_groups & trained
            assert ("video0" in judged_groups) == ("video1" in judged_groups)

    def test_what_belongs_to_a_image_for_testing_is_never_learnt(self) -> None:
        tested = dataclasses.replace(image("seen", "ant", side="test"), group="a")
        images = manifest([tested, *in_groups({"a": 2, "b": 2, "c": 2, "d": 2}), *drawn(bee=6).images])
        for number in (1, 2):
            found = fold(images, number, 2, seed=0, alike=[(0, 3)])
            assert {one.group for one in found.side("test")} == {"a", "b"}
            assert len(found.side("test")) == 5

    @pytest.mark.parametrize(("number", "count"), [(0, 5), (6, 5), (1, 1)])
    def test_a_fold_that_there_is_not(self, number: int, count: int) -> None:
        with pytest.raises(UsageError, match=f"fold {number}/{count}: give a number from 1"):
            fold(drawn(ant=9, bee=9), number, count, 0)

    def test_too_few_images(self) -> None:
        with pytest.raises(DataError, match=r"class 'bee' has 3 images or groups .* fewer than 4 folds"):
            fold(drawn(ant=9, bee=3), 1, 4, 0)


class TestSaved:
    def test_given_back_it_is_the_same_whatever_the_names_and_the_seed(self, tmp_path: Path) -> None:
        before = split_images(drawn(ant=10, bee=10), 0.3, seed=1)
        (tmp_path / "split.csv").write_text(split_table(before))
        renamed = manifest(dataclasses.replace(one, file=f"x/{n}", side=None) for n, one in enumerate(before.images))
        after = split_images(split_given_back(renamed, tmp_path / "split.csv"), 0.3, seed=99)
        assert [one.side for one in after.images] == [one.side for one in before.images]

    def test_new_images_are_split_and_the_others_stay(self, tmp_path: Path) -> None:
        before = split_images(drawn(ant=10, bee=10), 0.3, seed=1)
        (tmp_path / "split.csv").write_text(split_table(before))
        given_back = split_given_back(drawn(ant=30, bee=10), tmp_path / "split.csv")
        assert sum(one.side is None for one in given_back.images) == 20
        after = split_images(given_back, 0.3, seed=1)
        sides = {one.sha256: one.side for one in after.images}
        assert all(sides[one.sha256] == one.side for one in before.images)
        assert Counter(after.images[n].side for n in range(10, 30)) == Counter({"train": 14, "val": 6})

    def test_the_split_of_other_images(self, tmp_path: Path) -> None:
        (tmp_path / "split.csv").write_text(split_table(split_images(drawn(cat=5, bee=5), 0.3, seed=1)))
        with pytest.raises(DataError, match="names none of the 5 images"):
            split_given_back(drawn(ant=5), tmp_path / "split.csv")

    @pytest.mark.parametrize("text", ["sha256,side\nabc,training\n", "a,b\n1,2\n", "sha256\nabc\n"])
    def test_no_split(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "split.csv").write_text(text)
        with pytest.raises(DataError, match=r"line 2: needs the columns sha256 and side"):
            split_given_back(drawn(ant=5), tmp_path / "split.csv")

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"cannot read split=.*: No such file"):
            split_given_back(drawn(ant=5), tmp_path / "split.csv")


def labeled(task, *labels):
    """A manifest of one image for each label."""
    images = tuple(
        ImageFile(
            path=Path(),
            file=str(n),
            labels=tuple(label.split("|")) if label else (),
            side=None,
            sha256=f"{n:064x}",
            bytes=1,
        )
        for n, label in enumerate(labels)
    )
    names = tuple(sorted({name for label in labels for name in label.split("|") if name}))
    return Manifest(folder="p", classes=names, images=images, problems=(), task=task)


class TestSeveralLabels:
    manifest = labeled("multilabel", *["cat"] * 40, *["cat|dog"] * 10, *[""] * 50, *["bird|dog"] * 2, "fox")

    @pytest.mark.parametrize("seed", range(4))
    def test_about_a_fifth_of_each_label_is_judged_and_all_are_trained_on(self, seed):
        sides = split_images(self.manifest, 0.2, seed)
        for name, total in {"cat": 50, "dog": 12, "bird": 2}.items():
            judged = sum(name in one.labels for one in sides.side("val"))
            assert abs(judged - max(1, 0.2 * total)) < 2
        assert sum(not one.labels for one in sides.side("val")) == 10
        assert any(one.labels == ("fox",) for one in sides.side("train"))

    def test_folds_judge_each_image_once_and_share_the_labels(self):
        folds = [fold(self.manifest, number, 5, 0) for number in range(1, 6)]
        judged = [one.file for one_fold in folds for one in one_fold.side("val")]
        assert sorted(judged) == sorted(one.file for one in self.manifest.images)
        for one_fold in folds:
            assert sum("cat" in one.labels for one in one_fold.side("val")) == 10


class TestNumbers:
    manifest = labeled("regression", *(f"{n}.5" for n in range(20)))

    def test_a_part_of_all_images_is_judged(self):
        sides = split_images(self.manifest, 0.25, 3)
        assert (len(sides.side("train")), len(sides.side("val"))) == (15, 5)

    def test_folds(self):
        assert [len(fold(self.manifest, number, 3, 0).side("val")) for number in (1, 2, 3)] == [7, 7, 6]
        with pytest.raises(DataError, match="there are 20 images or groups that may part, fewer than 21 folds"):
            fold(self.manifest, 1, 21, 0)
