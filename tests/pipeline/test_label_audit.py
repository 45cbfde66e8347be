"""The audit does not fool itself: who is judged by whom, and what has a say in it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from convlens.core.cache_layout import STORE
from convlens.core.files import cache_folder
from convlens.core.progress import unsaid
from convlens.data.image_metadata import ImageMetadata, ImageMetadataStore
from convlens.data.manifest import ImageFile, Manifest, Side, one_of_each
from convlens.data.perceptual_hash import SIGNATURE_BYTES
from convlens.pipeline.embedding import Embedded
from convlens.pipeline.judged_labels import Judged, judged
from convlens.pipeline.label_audit import label_audit

CLASSES = ("ants", "bees", "wasps")


def image(number: int, label: str, side: Side | None = None, group: str = "", sha256: str = "") -> ImageFile:
    file = f"{side}/{label}/{number}.png"
    return ImageFile(
        path=Path(file), file=file, labels=(label,), side=side, sha256=sha256 or f"{number}", bytes=1, group=group
    )


def images(count: int, sides: Sequence[Side | None] = (None,), wrong: Sequence[int] = ()) -> list[ImageFile]:
    """Images of the classes in turn; the label of those that are wrong is that of the next class."""
    return [
        image(n, CLASSES[(n + (n in wrong)) % len(CLASSES)], sides[n // len(CLASSES) % len(sides)])
        for n in range(count)
    ]


def judge(listed: Sequence[ImageFile], like: tuple[int, int] | None = None) -> Judged:
    """By vectors that follow the number of an image; two of the images look alike, if some are named."""
    unique = one_of_each(listed)
    facts = ImageMetadataStore(cache_folder() / STORE)
    draw = torch.Generator().manual_seed(0)
    signatures = [
        torch.randint(256, (SIGNATURE_BYTES,), generator=draw, dtype=torch.uint8).numpy().tobytes() for _ in range(400)
    ]
    if like:
        signatures[like[1]] = signatures[like[0]]
    facts.add({str(n): ImageMetadata(usable=True, signature=one) for n, one in enumerate(signatures)})
    centers = 4.0 * torch.eye(len(CLASSES), 8)
    noise = torch.randn(400, 8, generator=draw)
    numbers = [int(one.sha256) for one in unique]
    embedded = Embedded(
        images=tuple(unique),
        vectors=torch.stack([centers[n % len(CLASSES)] + noise[n] for n in numbers]),
        outputs=None,
        facts=facts,
        problems=(),
        computed=0,
    )
    manifest = Manifest(folder="images", classes=CLASSES, images=tuple(listed), problems=())
    return judged(manifest, embedded, 0, unsaid)


def place(found: Judged, number: int) -> int:
    return [one.sha256 for one in found.images].index(str(number))


def test_every_image_is_judged_out_of_fold() -> None:
    found = judge(images(300, wrong=range(0, 300, 20)))
    assert found.folds.bincount().tolist() == [0, 60, 60, 60, 60, 60]
    wrong = torch.tensor([int(one.sha256) % 20 == 0 for one in found.images])
    assert (found.suspect & wrong).sum() >= 0.7 * wrong.sum()
    assert label_audit(found).noise == pytest.approx(0.05, abs=0.02)


def test_images_of_a_group_and_those_that_look_alike_are_in_one_fold() -> None:
    listed = [dataclasses.replace(one, group=f"video{n // 4}") for n, one in enumerate(images(240))]
    found = judge(listed, like=(0, 200))
    by_group: dict[str, set[int]] = {}
    for one, number in zip(found.images, found.folds.tolist(), strict=True):
        by_group.setdefault(one.group, set()).add(number)
    assert all(len(numbers) == 1 for numbers in by_group.values())
    assert found.folds[place(found, 0)] == found.folds[place(found, 200)]


@pytest.mark.parametrize(("sides", "sealed"), [(("train", "val"), "val"), (("train", "val", "test"), "test")])
def test_no_network_is_trained_on_the_sealed_side(sides: tuple[Side, ...], sealed: Side) -> None:
    found = judge(images(300, sides))
    assert found.side == sealed
    of_side = torch.tensor([one.side == sealed for one in found.images])
    assert ((found.folds == 0) == of_side).all()
    assert found.folds[~of_side].min() == 1


def test_what_looks_like_a_sealed_image_is_not_trained_on_either() -> None:
    listed = images(300, ("train", "test"))
    test_image = next(int(one.sha256) for one in listed if one.side == "test")
    train_image = next(int(one.sha256) for one in listed[100:] if one.side == "train")
    found = judge(listed, like=(test_image, train_image))
    assert found.folds[place(found, train_image)] == 0
    assert not found.sealed[place(found, train_image)]


def test_sealed_labels_have_no_say_in_suspicions_of_others() -> None:
    wrong = range(0, 150, 10)
    sides: tuple[Side, ...] = ("train", "test")
    clean = judge(images(300, sides, [n for n in wrong if n // 3 % 2 == 0]))
    noisy = judge(images(300, sides, [*wrong, *(n for n in range(150, 300) if n // 3 % 2 == 1)]))
    apart = ~clean.sealed
    assert torch.equal(clean.suspect[apart], noisy.suspect[apart])
    assert torch.equal(clean.probabilities, noisy.probabilities)
    assert noisy.suspect[noisy.sealed].sum() > clean.suspect[clean.sealed].sum()
    told = label_audit(noisy)
    assert told.sealed is not None
    named = {one.file for one in (*told.suspects, *told.doubts)}
    assert not any(file.startswith("test/") for file in named)
    assert told.sealed.controls == min(told.sealed.suspects, told.sealed.images - told.sealed.suspects)


def test_the_same_bytes_under_two_labels_teach_nothing() -> None:
    listed = [*images(90), image(500, "wasps", sha256="0")]
    found = judge(listed)
    assert not found.labeled[place(found, 0)]
    assert found.folds[place(found, 0)] == 0
    (told,) = label_audit(found).contradictions
    assert (told.labels, told.suggested) == (["ants", "wasps"], "ants")
    assert {name: len(near) for name, near in told.nearest.items()} == {"ants": 2, "wasps": 2}


def test_a_contradiction_is_told_though_its_class_has_no_other_image() -> None:
    listed = [*(one for one in images(90) if one.labels != ("wasps",)), image(501, "wasps", sha256="0")]
    audit = label_audit(judge(listed))
    assert audit.not_judged == ["wasps"]
    (told,) = audit.contradictions
    assert (told.labels, told.suggested) == (["ants", "wasps"], "ants")
    swapped = [image(501, "wasps", sha256="0"), *listed[:-1]]
    (told,) = label_audit(judge(swapped)).contradictions
    assert (told.labels, told.suggested, told.nearest) == (["wasps", "ants"], None, {})


def test_a_contradiction_on_the_sealed_side_comes_without_a_suggestion() -> None:
    listed = [*images(180, ("train", "test")), image(500, "wasps", "test", sha256="0")]
    (told,) = label_audit(judge(listed)).contradictions
    assert (told.suggested, told.suggested_probability) == (None, None)


def test_a_corrected_table_gains_on_labels_that_it_does_not_touch() -> None:
    wrong = [n for n in range(0, 300, 3) if n // 3 % 3]
    listed = images(300, wrong=wrong)
    found = judge(listed)
    given = {one.file: one.labels[0] for one in listed}
    right = {one.file: CLASSES[int(one.sha256) % 3] for one in listed}
    gain = label_audit(found, right, "right.csv").gain
    assert gain is not None
    assert (gain.changed, gain.dropped, gain.images, gain.evaluated_on) == (len(wrong), 0, 300, "held-out")
    none = label_audit(found, given, "given.csv").gain
    assert none is not None
    assert (none.changed, none.difference) == (0, 0)
    without = {file: label for file, label in given.items() if file == right_file(listed, right, file)}
    dropped = label_audit(found, without, "without.csv").gain
    assert dropped is not None
    assert (dropped.changed, dropped.dropped, dropped.images) == (0, len(wrong), 300)


def right_file(listed: Sequence[ImageFile], right: dict[str, str], file: str) -> str:
    """The file, where its label is right."""
    return next((one.file for one in listed if one.file == file and one.labels[0] == right[file]), "")
