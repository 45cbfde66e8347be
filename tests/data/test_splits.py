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
from convlens.data.manifest import Manifest, Picture, Side
from convlens.data.split_file import split_given_back, split_table
from convlens.data.splits import fold, split_pictures

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


def in_groups(sizes: dict[str, int], label: str = "ant") -> list[Picture]:
    """Pictures of groups with these names and sizes."""
    return [
        dataclasses.replace(picture(f"{name}-{n}", label), group=name)
        for name, size in sizes.items()
        for n in range(size)
    ]


class TestUnits:
    @given(st.lists(st.integers(1, 12), min_size=2, max_size=20), fractions, seeds)
    def test_a_group_never_stands_on_both_sides(self, sizes: list[int], fraction: float, seed: int) -> None:
        pictures = in_groups({f"video{n}": size for n, size in enumerate(sizes)})
        split = split_pictures(manifest([*pictures, *drawn(bee=4).pictures]), fraction, seed)
        sides_of = {
            name: {one.side for one in split.pictures if one.group == name} for name in {p.group for p in pictures}
        }
        assert all(len(sides) == 1 for sides in sides_of.values())
        assert {one.label for one in split.side("train")} == {one.label for one in split.side("val")} == {"ant", "bee"}

    @given(st.integers(0, 10_000))
    def test_with_groups_the_fraction_is_met_about(self, seed: int) -> None:
        pictures = in_groups({f"video{n}": 1 + n % 7 for n in range(60)})
        judged_part = len(split_pictures(manifest(pictures), 0.2, seed).side("val")) / len(pictures)
        assert 0.18 <= judged_part <= 0.22

    def test_pictures_that_look_alike_stay_together_and_so_do_their_groups(self) -> None:
        pictures = [*in_groups({"a": 5, "b": 5, "c": 5, "d": 5}), *drawn(bee=8).pictures]
        for seed in range(20):
            split = split_pictures(manifest(pictures), 0.5, seed, alike=[(0, 7), (20, 27)])
            assert len({one.side for one in split.pictures if one.group in ("a", "b")}) == 1
            assert split.pictures[20].side == split.pictures[27].side

    def test_a_group_over_two_classes(self) -> None:
        pictures = in_groups({"day1": 5, "day2": 5, "day3": 5}) + in_groups({"day1": 5, "day2": 5, "day3": 5}, "bee")
        split = split_pictures(manifest(pictures), 0.3, seed=0)
        assert len({one.group for one in split.side("val")}) == 1
        assert Counter(one.label for one in split.side("val")) == Counter({"ant": 5, "bee": 5})

    @pytest.mark.parametrize("side", ["train", "val", "test"])
    def test_what_belongs_to_a_picture_with_a_side_takes_that_side(self, side: Side) -> None:
        pictures = [picture("a", "ant", side=side), *drawn(ant=9, bee=9).pictures]
        for seed in range(8):
            split = split_pictures(manifest(pictures), 0.5, seed, alike=[(0, 3)])
            assert split.pictures[3].side == side

    def test_a_picture_like_one_for_training_and_one_for_judging_is_not_learnt(self) -> None:
        pictures = [picture("a", "ant", side="train"), picture("b", "ant", side="val"), picture("c", "ant")]
        split = split_pictures(manifest([*pictures, *drawn(bee=4).pictures]), 0.2, 0, alike=[(0, 2), (1, 2)])
        assert [one.side for one in split.pictures[:3]] == ["train", "val", "val"]

    def test_a_group_that_grows_stays_where_it_is(self) -> None:
        sizes = {f"video{n}": 4 for n in range(40)}
        before = {one.group for one in split_pictures(manifest(in_groups(sizes)), 0.25, 3).side("val")}
        after = {one.group for one in split_pictures(manifest(in_groups({**sizes, "video7": 5})), 0.25, 3).side("val")}
        assert len(before ^ after) <= 1


class TestFolds:
    def test_every_picture_is_judged_once(self) -> None:
        pictures = manifest([*drawn(ant=23, bee=11).pictures, picture("t", "ant", side="test")])
        folds = [fold(pictures, number, 5, seed=0) for number in range(1, 6)]
        seen = Counter(one.sha256 for one_fold in folds for one in one_fold.side("val"))
        assert set(seen.values()) == {1}
        assert len(seen) == 34
        assert all(len(one.side("test")) == 1 for one in folds)
        counts = [Counter(one.label for one in one_fold.side("val")) for one_fold in folds]
        assert {count["ant"] for count in counts} == {4, 5}
        assert {count["bee"] for count in counts} == {2, 3}

    def test_added_pictures_move_only_what_stands_at_a_border(self) -> None:
        before = {one.sha256 for one in fold(drawn(ant=200, bee=9), 2, 5, seed=0).side("val")}
        after = {one.sha256 for one in fold(drawn(ant=205, bee=9), 2, 5, seed=0).side("val")}
        assert len(before ^ after) <= 10

    def test_groups_and_pictures_that_look_alike_stay_together(self) -> None:
        pictures = manifest([*in_groups({f"video{n}": 3 for n in range(8)}), *drawn(bee=12).pictures])
        for number in (1, 2, 3):
            judged_groups = {one.group for one in fold(pictures, number, 3, 0, alike=[(0, 4)]).side("val")} - {""}
            trained = {one.group for one in fold(pictures, number, 3, 0, alike=[(0, 4)]).side("train")}
            assert not judged_groups & trained
            assert ("video0" in judged_groups) == ("video1" in judged_groups)

    def test_what_belongs_to_a_picture_for_testing_is_never_learnt(self) -> None:
        tested = dataclasses.replace(picture("seen", "ant", side="test"), group="a")
        pictures = manifest([tested, *in_groups({"a": 2, "b": 2, "c": 2, "d": 2}), *drawn(bee=6).pictures])
        for number in (1, 2):
            found = fold(pictures, number, 2, seed=0, alike=[(0, 3)])
            assert {one.group for one in found.side("test")} == {"a", "b"}
            assert len(found.side("test")) == 5

    @pytest.mark.parametrize(("number", "count"), [(0, 5), (6, 5), (1, 1)])
    def test_a_fold_that_there_is_not(self, number: int, count: int) -> None:
        with pytest.raises(UsageError, match=f"fold {number}/{count}: give a number from 1"):
            fold(drawn(ant=9, bee=9), number, count, 0)

    def test_too_few_pictures(self) -> None:
        with pytest.raises(DataError, match=r"class 'bee' has 3 pictures or groups .* fewer than 4 folds"):
            fold(drawn(ant=9, bee=3), 1, 4, 0)


class TestSaved:
    def test_given_back_it_is_the_same_whatever_the_names_and_the_seed(self, tmp_path: Path) -> None:
        before = split_pictures(drawn(ant=10, bee=10), 0.3, seed=1)
        (tmp_path / "split.csv").write_text(split_table(before))
        renamed = manifest(dataclasses.replace(one, file=f"x/{n}", side=None) for n, one in enumerate(before.pictures))
        after = split_pictures(split_given_back(renamed, tmp_path / "split.csv"), 0.3, seed=99)
        assert [one.side for one in after.pictures] == [one.side for one in before.pictures]

    def test_new_pictures_are_split_and_the_others_stay(self, tmp_path: Path) -> None:
        before = split_pictures(drawn(ant=10, bee=10), 0.3, seed=1)
        (tmp_path / "split.csv").write_text(split_table(before))
        given_back = split_given_back(drawn(ant=30, bee=10), tmp_path / "split.csv")
        assert sum(one.side is None for one in given_back.pictures) == 20
        after = split_pictures(given_back, 0.3, seed=1)
        sides = {one.sha256: one.side for one in after.pictures}
        assert all(sides[one.sha256] == one.side for one in before.pictures)
        assert Counter(after.pictures[n].side for n in range(10, 30)) == Counter({"train": 14, "val": 6})

    def test_the_split_of_other_pictures(self, tmp_path: Path) -> None:
        (tmp_path / "split.csv").write_text(split_table(split_pictures(drawn(cat=5, bee=5), 0.3, seed=1)))
        with pytest.raises(DataError, match="names none of the 5 pictures"):
            split_given_back(drawn(ant=5), tmp_path / "split.csv")

    @pytest.mark.parametrize("text", ["sha256,side\nabc,training\n", "a,b\n1,2\n", "sha256\nabc\n"])
    def test_no_split(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "split.csv").write_text(text)
        with pytest.raises(DataError, match=r"line 2: needs the columns sha256 and side"):
            split_given_back(drawn(ant=5), tmp_path / "split.csv")

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"cannot read --split .*: No such file"):
            split_given_back(drawn(ant=5), tmp_path / "split.csv")


def labelled(target, *labels):
    """A manifest of one picture for each label."""
    pictures = tuple(
        Picture(path=Path(), file=str(n), label=label, side=None, sha256=f"{n:064x}", bytes=1)
        for n, label in enumerate(labels)
    )
    names = tuple(sorted({name for label in labels for name in label.split("|") if name}))
    return Manifest(folder="p", classes=names, pictures=pictures, problems=(), target=target)


class TestSeveralLabels:
    manifest = labelled("labels", *["cat"] * 40, *["cat|dog"] * 10, *[""] * 50, *["bird|dog"] * 2, "fox")

    @pytest.mark.parametrize("seed", range(4))
    def test_about_a_fifth_of_each_label_is_judged_and_all_are_trained_on(self, seed):
        sides = split_pictures(self.manifest, 0.2, seed)
        for name, total in {"cat": 50, "dog": 12, "bird": 2}.items():
            judged = sum(name in one.label for one in sides.side("val"))
            assert abs(judged - max(1, 0.2 * total)) < 2
        assert sum(not one.label for one in sides.side("val")) == 10
        assert any(one.label == "fox" for one in sides.side("train"))

    def test_folds_judge_each_picture_once_and_share_the_labels(self):
        folds = [fold(self.manifest, number, 5, 0) for number in range(1, 6)]
        judged = [one.file for one_fold in folds for one in one_fold.side("val")]
        assert sorted(judged) == sorted(one.file for one in self.manifest.pictures)
        for one_fold in folds:
            assert sum("cat" in one.label for one in one_fold.side("val")) == 10


class TestNumbers:
    manifest = labelled("numbers", *(f"{n}.5" for n in range(20)))

    def test_a_part_of_all_pictures_is_judged(self):
        sides = split_pictures(self.manifest, 0.25, 3)
        assert (len(sides.side("train")), len(sides.side("val"))) == (15, 5)

    def test_folds(self):
        assert [len(fold(self.manifest, number, 3, 0).side("val")) for number in (1, 2, 3)] == [7, 7, 6]
        with pytest.raises(DataError, match="there are 20 pictures or groups that may part, fewer than 21 folds"):
            fold(self.manifest, 1, 21, 0)
