"""The study of dilated convolutions, at the size of a toy through the same code."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convlens.core.study import Measured, StudyRecord
from convlens.graph.capture import capture
from convlens.studies.bench import Bench
from convlens.studies.dilated_stacks import (
    AtCenter,
    AtLastStep,
    profile_of,
    reach_of,
    spread_in_theory,
    spread_of,
    stack_of,
)
from convlens.studies.dilation import Dilation
from convlens.studies.far_images import marks, signal
from convlens.studies.measurements import Measurements
from convlens.studies.study import run_study

TOY = Dilation(
    seeds=1, deepest=3, layers=2, distances=(2, 3, 4), channels=4, images=6, validation=4, epochs=1, batch_size=6
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> tuple[StudyRecord, Path]:
    """The record of one seed, after a second call that measured nothing again."""
    folder = tmp_path_factory.mktemp("dilation")
    first, _ = run_study(TOY, folder)
    record, _ = run_study(TOY, folder)
    assert record.measured == first.measured
    return record, folder


def of_two_seeds(measured: Sequence[Measured]) -> Measurements:
    """As if a second seed had given the same."""
    return Measurements(
        [*measured, *(one.model_copy(update={"case": {**one.case, "seed": 1}}) for one in measured)],
    )


def test_all_cases_are_measured_and_concluded(done: tuple[StudyRecord, Path]) -> None:
    record, folder = done
    assert record.finished
    assert len(record.measured) == 5 + 2 * 3 * 2
    assert [chart.name for chart in record.conclusion.charts] == [
        *("fields", "spread", "effective-2", "effective-3", "marks", "signals"),
    ]
    assert all(chart.series for chart in record.conclusion.charts)
    assert len(record.conclusion.findings) == 3, "the others need two seeds"
    assert len(TOY.conclude(of_two_seeds(record.measured)).findings) == 3 + 2 + 2 + 2 * 3
    assert "chance" in (folder / "study.html").read_text()


def test_fields_are_those_of_theory_as_computed_and_as_measured(done: tuple[StudyRecord, Path]) -> None:
    fields = {
        "plain": [3, 5, 7],
        "dilated": [3, 7, 15],
        "strided": [3, 7, 15],
        "causal plain": [2, 3, 4],
        "causal dilated": [2, 4, 8],
    }
    for stack, sides in fields.items():
        for value in ("computed", "measured"):
            assert Measurements(done[0].measured).lists(value, part="fields", stack=stack) == [sides]
    equal, growth, price = done[0].conclusion.findings[:3]
    assert {equal.verdict, growth.verdict, price.verdict} == {"agrees"}
    assert "5 of 5" in equal.sentence
    assert "1.00 times" in price.sentence
    assert "16 of 16" in price.sentence


def test_a_field_that_is_computed_wrong_disagrees(done: tuple[StudyRecord, Path]) -> None:
    wrong = [
        one.model_copy(update={"values": {**one.values, "computed": [3.0, 5.0, 9.0]}})
        if one.case["stack"] == "plain" and one.case["part"] == "fields"
        else one
        for one in done[0].measured
    ]
    finding = TOY.conclude(Measurements(wrong)).findings[0]
    assert finding.verdict == "disagrees"
    assert "4 of 5" in finding.sentence


@pytest.mark.parametrize("stack", ["plain", "dilated", "strided", "causal plain", "causal dilated"])
def test_the_gradient_spreads_as_far_as_in_theory(stack: str) -> None:
    torch.manual_seed(0)
    causal = stack.startswith("causal")
    features = stack_of(stack, 3, 64)
    inputs = torch.randn(24, 3, *([16] if causal else [16, 16]))
    spread = spread_of(profile_of(capture(features, inputs[:2]), inputs, last=causal))
    assert spread == pytest.approx(spread_in_theory(stack, 3), rel=0.06)


def test_theory_of_the_spread() -> None:
    assert spread_of([0, 1, 1, 1, 0]) == pytest.approx(math.sqrt(2 / 3))
    assert spread_of([0.5, 0, 0.5]) == pytest.approx(1)
    assert spread_in_theory("plain", 9) == pytest.approx(3 * math.sqrt(2 / 3))
    assert spread_in_theory("causal dilated", 2) == pytest.approx(np.std([0, 1, 2, 3]))


@pytest.mark.parametrize("distance", [1, 4])
def test_marks_of_either_class_differ_in_nothing_but_the_pair(distance: int) -> None:
    """By the mean image of a class, neither side tells: each is red as often as blue."""
    generator = np.random.default_rng(0)
    for same in (0, 1):
        images = [marks(16, distance, same, generator) for _ in range(400)]
        reds = np.array([[image[8, 8 - distance, 0] > 128, image[8, 8 + distance, 0] > 128] for image in images])
        assert all((reds[:, 0] == reds[:, 1]) == bool(same))
        assert reds.mean(0) == pytest.approx([0.5, 0.5], abs=0.1)
        inner = images[0][:, 8 - distance + 1 : 8 + distance]
        assert abs(inner - 128).max() < 70, "nothing lies nearer to the center"


def test_a_signal_shows_its_class_at_the_distance_alone() -> None:
    generator = np.random.default_rng(0)
    signals = np.array([[signal(16, 5, bright, generator) for _ in range(400)] for bright in (0, 1)])
    assert (signals == signals[:, :, :1]).all(), "all rows are equal"
    bright = (signals[:, :, 0] > 128).mean(1)
    assert bright[:, 10].tolist() == [0, 1]
    assert np.delete(bright, 10, axis=1) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("stack", ["plain", "dilated"])
def test_the_center_sees_marks_up_to_its_reach_and_none_beyond(stack: str) -> None:
    torch.manual_seed(0)
    reach, network = reach_of(stack, 3), AtCenter(stack_of(stack, 3, 16))
    empty = torch.zeros(1, 3, 24, 24)
    for distance, seen in ((reach, True), (reach + 1, False)):
        marked = empty.clone()
        marked[:, :, :, 12 + distance :] = 1
        assert bool((network(marked) != network(empty)).any()) == seen


@pytest.mark.parametrize("stack", ["causal plain", "causal dilated"])
def test_the_last_step_sees_back_to_its_reach_and_no_farther(stack: str) -> None:
    torch.manual_seed(0)
    reach, network = reach_of(stack, 3), AtLastStep(stack_of(stack, 3, 16))
    empty = torch.zeros(1, 3, 24, 24)
    for back, seen in ((reach, True), (reach + 1, False)):
        marked = empty.clone()
        marked[:, :, :, : 24 - back] = 1
        assert bool((network(marked) != network(empty)).any()) == seen


def test_a_signal_is_learned_within_reach_and_guessed_beyond(tmp_path: Path) -> None:
    study, bench = dataclasses.replace(TOY, images=100, validation=50, epochs=8, channels=8), Bench(folder=tmp_path)
    study.prepare(bench)
    accuracies = [
        study.measure({"part": "signals", "stack": "causal plain", "distance": distance, "seed": 0}, bench)["accuracy"]
        for distance in (2, 3)
    ]
    assert accuracies[0] == 1
    assert accuracies[1] == pytest.approx(0.5, abs=0.15)


def test_images_are_those_of_the_seed(tmp_path: Path) -> None:
    folders = [
        TOY._made(Bench(folder=tmp_path / name), "marks", 2, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    first, again, other = (np.asarray(Image.open(folder / "train" / "same" / "00000.png")) for folder in folders)
    assert (first == again).all()
    assert (first != other).any()
    assert first.shape == (TOY.pixels, TOY.pixels, 3)


def test_a_network_that_sees_beyond_its_reach_disagrees(done: tuple[StudyRecord, Path]) -> None:
    """One that is right within its reach and guesses beyond agrees; one that is right everywhere, or nowhere, not."""
    verdicts = []
    for within, beyond in ((1.0, 0.5), (1.0, 1.0), (0.5, 0.5)):
        given = [
            one.model_copy(update={"values": {"accuracy": within if int(one.case["distance"]) <= 2 else beyond}})
            for one in done[0].measured
            if one.case["stack"] == "causal plain" and one.case["part"] == "signals"
        ]
        (finding,) = TOY.conclude(of_two_seeds(given)).findings
        verdicts.append(finding.verdict)
    assert verdicts == ["agrees", "disagrees", "disagrees"]


def test_nothing_measured_is_no_finding() -> None:
    concluded = TOY.conclude(Measurements([]))
    assert not concluded.findings
    assert not concluded.tables
