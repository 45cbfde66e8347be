"""The study of minibatch gradients, at the size of a toy through the same code."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from convlens.core.study import Measured, StudyRecord
from convlens.gradient.backpropagate import backpropagate
from convlens.graph.capture import capture
from convlens.studies.bench import Bench
from convlens.studies.measurements import Measurements
from convlens.studies.sgd import Sgd, _OfGray
from convlens.studies.study import run_study
from convlens.studies.training import Loss
from convlens.zoo.mlp import mlp

TOY = Sgd(
    seeds=2,
    classes=3,
    images=8,
    validation=2,
    sizes=(1, 4, 16),
    draws=24,
    batch_sizes=(6,),
    mlp_rates=(0.1,),
    convnet_rates=(0.01,),
    epochs=2,
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> tuple[StudyRecord, Path]:
    """The record of two seeds, the first of which was measured by a call before."""
    folder = tmp_path_factory.mktemp("sgd")
    first, _ = run_study(dataclasses.replace(TOY, seeds=1), folder)
    record, _ = run_study(TOY, folder)
    assert record.measured[: len(first.measured)] == first.measured
    assert {one.case["seed"] for one in record.measured[len(first.measured) :]} == {1}
    return record, folder


def test_all_cases_are_measured_and_concluded(done: tuple[StudyRecord, Path]) -> None:
    record, folder = done
    assert record.finished
    assert len(record.measured) == 2 * (2 + 2 * 2)
    assert len(record.conclusion.findings) == 2 * 2 + 2
    assert [chart.name for chart in record.conclusion.charts] == ["noise", "losses-mlp", "losses-small_convnet"]
    assert all(chart.series for chart in record.conclusion.charts)
    assert len(record.conclusion.tables[0].rows) == 2
    assert "foretold" in (folder / "study.html").read_text()


def test_the_noise_falls_with_the_root_of_the_batch_as_foretold_from_single_images(
    done: tuple[StudyRecord, Path],
) -> None:
    measured = Measurements(done[0].measured).each(part="noise")
    for one in measured:
        foretold, noise = np.array(one.values["foretold"]), np.array(one.values["noise"])
        assert foretold * np.sqrt(TOY.sizes) == pytest.approx(foretold[0])
        assert noise == pytest.approx(foretold, rel=0.35)
        assert one.values["slope"] == pytest.approx(-0.5, abs=0.15)
    # A bias as long as the full gradient would give more than 10; chance is wide, as the noise lies in 3 directions.
    assert 0.2 < np.mean([one.values["bias"] for one in measured]) < 2.5


def test_full_batch_descent_begins_at_the_loss_of_the_random_weights(done: tuple[StudyRecord, Path]) -> None:
    """Its first epoch is one step, made after its loss was taken: it stands above what training leaves."""
    for one in Measurements(done[0].measured).each(part="training", network="mlp", batch="all"):
        losses = one.values["losses"]
        assert isinstance(losses, list)
        assert losses[0] == pytest.approx(math.log(3), abs=0.4)
        assert float(one.values["training loss"]) < losses[-1] < losses[0]


def test_its_loss_is_one_whose_gradient_autograd_finds_too() -> None:
    torch.manual_seed(0)
    module = Loss(_OfGray(mlp(4)))
    images, labels = torch.randn(5, 3, 28, 28), torch.tensor([0, 1, 2, 3, 0])
    found = backpropagate(capture(module, images[:2], labels[:2]), images, labels, input_gradients=False)
    module(images, labels).backward()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(found.parameters[name], parameter.grad)


def _training(batch: int | str, rate: float, seed: int, loss: float) -> Measured:
    case = {"part": "training", "network": "mlp", "batch": batch, "rate": rate, "seed": seed}
    return Measured(case=case, values={"training loss": loss, "losses": [2.0, loss]}, seconds=1)


def test_each_batch_size_is_judged_at_its_best_learning_rate() -> None:
    """Minibatches do best at the small rate, all images at the large one; at either rate alone the others would win."""
    given = [
        _training(batch, rate, seed, loss + 0.001 * seed)
        for seed in range(3)
        for batch, rate, loss in ((6, 0.01, 0.5), (6, 0.05, 3.0), ("all", 0.01, 2.0), ("all", 0.05, 1.0))
    ]
    study = dataclasses.replace(TOY, mlp_rates=(0.01, 0.05))
    concluded = study.conclude(Measurements(given))
    (finding,) = concluded.findings
    assert finding.verdict == "agrees"
    assert "(learning rate 0.01)" in finding.sentence
    assert "(0.05)" in finding.sentence
    assert "-0.5" in finding.sentence
    assert "mlp with batches of 6" in concluded.caveat
    flipped = [
        one.model_copy(update={"case": {**one.case, "batch": 6 if one.case["batch"] == "all" else "all"}})
        for one in given
    ]
    assert study.conclude(Measurements(flipped)).findings[0].verdict == "disagrees"


def test_a_run_that_diverges_counts_as_guessing(tmp_path: Path) -> None:
    study, bench = dataclasses.replace(TOY, epochs=3), Bench(folder=tmp_path)
    study.prepare(bench)
    found = study.measure({"part": "training", "network": "small_convnet", "batch": 6, "rate": 900.0, "seed": 0}, bench)
    assert found == {"training loss": math.log(3), "losses": [math.log(3)] * 3}


def test_nothing_measured_is_no_finding() -> None:
    concluded = TOY.conclude(Measurements([]))
    assert not concluded.findings
    assert not concluded.caveat
