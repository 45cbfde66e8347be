"""The study of shortcuts: the curvature of linear networks two ways, and what follows from the numbers."""

import itertools
import math

import pytest
import torch
from torch.autograd.functional import hessian
from torch.func import functional_call

from convlens.core.study import Measured
from convlens.studies.bench import Bench
from convlens.studies.linear_residual import (
    LinearNetwork,
    Regression,
    curvature,
    curvature_of_shortcuts_over_two,
    hessian_by_formula,
    hessian_of_gradients,
    random_regression,
    start_at,
)
from convlens.studies.measurements import Measurements
from convlens.studies.registry import study_named
from convlens.studies.shortcuts import Shortcuts
from convlens.studies.study import run_study
from convlens.zoo.resnet_cifar import CifarResNet
from tests.images import draw_images

WIDTH = 3
TOY = {
    "width": 2,
    "depths": (6, 12),
    "draws": 4,
    "classes": 2,
    "images": 4,
    "validation": 2,
    "epochs": 1,
    "batch_size": 4,
}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def data(generator):
    return random_regression(WIDTH, 20, generator)


def with_random_weights(network, generator, size=0.5):
    with torch.no_grad():
        for weight in network.weights:
            weight.copy_(size * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
    return network


def hessian_of_torch(network, data):
    """(L d^2, L d^2), by automatic differentiation, twice backward."""
    names = [name for name, _ in network.named_parameters()]
    shapes = [weight.shape for weight in network.weights]

    def loss(flat):
        parts = flat.split([shape.numel() for shape in shapes])
        weights = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
        return functional_call(network, weights, tuple(data))

    return hessian(loss, torch.cat([weight.detach().flatten() for weight in network.weights]))


@pytest.mark.parametrize("span", [1, 2, 3, None])
def test_differences_of_gradients_are_the_hessian_exactly(span, data, generator):
    network = with_random_weights(LinearNetwork(WIDTH, 6, span), generator)
    before = [weight.clone() for weight in network.weights]
    found, gradient = hessian_of_gradients(network, data)
    torch.testing.assert_close(found, hessian_of_torch(network, data), rtol=1e-10, atol=1e-10)
    network(*data).backward()
    torch.testing.assert_close(gradient, torch.cat([weight.grad.flatten() for weight in network.weights]))
    assert all(torch.equal(one, other) for one, other in zip(before, network.weights, strict=True))


def test_the_loss_is_the_mean_over_inputs_of_half_the_squared_distance():
    """Two blocks of two layers in one dimension: (1 + 2 * 3)(1 + 4 * 5) = 147 times the input."""
    network = LinearNetwork(1, 4, 2)
    with torch.no_grad():
        for weight, value in zip(network.weights, (2, 3, 4, 5), strict=True):
            weight.fill_(value)
    data = Regression(torch.tensor([[1.0], [2.0]]).double(), torch.tensor([[146.0], [297.0]]).double())
    assert network(*data).item() == (1 + 9) / 4
    assert (data.input_covariance.item(), data.cross_covariance.item()) == (2.5, (146 + 2 * 297) / 2)


@pytest.mark.parametrize("start", ["Xavier", "orthogonal"])
def test_the_formula_of_plain_networks(start, data, generator):
    network = LinearNetwork(WIDTH, 5, None)
    start_at(network, start, generator)
    by_formula = hessian_by_formula([weight.detach() for weight in network.weights], data)
    torch.testing.assert_close(by_formula, hessian_of_torch(network, data), rtol=1e-10, atol=1e-10)


def test_starts_are_what_they_are_called(generator):
    network = LinearNetwork(40, 6, None)
    start_at(network, "Xavier", generator)
    sizes = torch.stack([weight.detach() for weight in network.weights])
    assert sizes.std().item() == pytest.approx(1 / math.sqrt(40), rel=0.05)
    start_at(network, "orthogonal", generator)
    first = network.weights[0].detach()
    torch.testing.assert_close(first @ first.T, torch.eye(40, dtype=torch.float64))
    start_at(network, "zero", generator)
    assert not any(weight.any() for weight in network.weights)


@pytest.mark.parametrize("depth", [3, 9])
def test_shortcuts_over_one_at_zero_are_a_plain_network_at_the_identity(depth, data):
    one = torch.eye(WIDTH, dtype=torch.float64)
    found, _ = hessian_of_gradients(LinearNetwork(WIDTH, depth, 1), data)
    torch.testing.assert_close(found, hessian_by_formula([one] * depth, data), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("depth", [2, 8])
def test_over_two_each_singular_value_of_the_difference_of_covariances_comes_with_both_signs(depth, data):
    found, gradient = hessian_of_gradients(LinearNetwork(WIDTH, depth, 2), data)
    singular = torch.linalg.svdvals(data.input_covariance - data.cross_covariance)
    expected = torch.cat([singular, -singular]).repeat_interleave(WIDTH * depth // 2).sort().values
    torch.testing.assert_close(torch.linalg.eigvalsh(found), expected, rtol=1e-9, atol=1e-9)
    assert not gradient.any()
    assert curvature(found) == pytest.approx(curvature_of_shortcuts_over_two(data))


def test_over_three_the_hessian_at_zero_is_zero(data):
    found, gradient = hessian_of_gradients(LinearNetwork(WIDTH, 6, 3), data)
    assert not found.any()
    assert not gradient.any()


def test_condition_numbers_of_known_eigenvalues():
    sizes = torch.tensor([-0.5, *[2.0] * 9, *[-4.0] * 9, 8.0], dtype=torch.float64)
    turned = torch.linalg.qr(torch.randn(20, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1))).Q
    found = curvature(turned @ sizes.diag() @ turned.T)
    assert (found.condition, found.condition_of_tenth) == pytest.approx((16, 4))


ERRORS = {"over 1, A": 0.9, "over 2, A": 0.4, "over 3, A": 0.6, "over 2, B": 0.3, "over 2, C": 0.4}


def trained_as_if(self, name, seed, bench):
    """Numbers of training: the seed shifts them a little, and what is compared is not shifted alike."""
    error = ERRORS.get(name, 0.5) + 0.01 * seed * (1 + len(name) % 3)
    return {"training losses": [3.0, 2 * error], "training loss": 2 * error, "validation error": error}


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shortcuts, "_trained", trained_as_if)
        images = draw_images(tmp_path_factory.mktemp("images"))
        return run_study(Shortcuts(**TOY, seeds=3, folders=(images,)), tmp_path_factory.mktemp("study"))


def finding(record, start):
    (found,) = [one for one in record[0].conclusion.findings if one.sentence.startswith(start)]
    return found


@pytest.mark.parametrize(
    ("start", "verdict"),
    [
        ("The Hessian of convlens's own gradients", "agrees"),
        ("Shortcuts over 2: from 6 to 12 layers", "agrees"),
        ("Shortcuts over 1: with 12 layers, the condition number without", "agrees"),
        ("Shortcuts over 3: the largest entry of the Hessian at zero is 0.", "agrees"),
        ("Shortcuts over 2 layers have a lower validation error than those over 1: 41.0% against 91.0%", "agrees"),
        ("Shortcuts over 2 layers have a lower training loss than those over 3: 0.82 against 1.22", "agrees"),
        ("Zeros for new channels (A) have a higher validation error than projections where", "agrees"),
        ("Zeros for new channels (A) have a lower validation error than pre-activation", "disagrees"),
    ],
)
def test_findings(record, start, verdict):
    assert finding(record, start).verdict == verdict


def test_flatness_is_told_by_its_powers(record):
    sentence = finding(record, "Shortcuts over 3").sentence
    assert "to the power 1.00" in sentence
    assert "to the power 2.00" in sentence


def test_both_ways_are_drawn_and_intervals_stay_positive(record):
    charts = {chart.name: chart for chart in record[0].conclusion.charts}
    assert [*charts] == ["condition", "tenth", "near-zero", "losses", "validation-error", "training-loss"]
    gradients, formula = charts["condition"].series[:2]
    drawn = charts["tenth"].series[0].points
    assert [p.y for p in gradients.points] == pytest.approx([p.y for p in formula.points])
    assert [p.x for p in gradients.points] == [p.x for p in formula.points] == [6, 12]
    assert all(0 < p.low < p.y < p.high for p in drawn)
    assert [[p.x for p in series.points] for series in charts["near-zero"].series] == [[0.001, 0.01, 0.1]] * 3
    errors = charts["validation-error"]
    assert errors.x.names[int(errors.series[0].points[0].x)] == "over 1, A"
    assert [p.y for p in charts["losses"].series[1].points] == pytest.approx([3.0, 0.82])
    assert "Near zero, entries grow" in record[1].read_text()


def test_a_study_under_way_concludes_from_what_there_is(record):
    """After each case, in the order in which they come."""
    study, measured = Shortcuts(**TOY, seeds=3), record[0].measured
    counts = [len(study.conclude(Measurements(measured[:count])).findings) for count in range(len(measured) + 1)]
    assert counts[0] == 0
    assert counts[-1] == len(record[0].conclusion.findings)
    assert all(after >= before for before, after in itertools.pairwise(counts))


def test_a_formula_that_is_wrong_disagrees():
    values = {"condition": 1.0, "tenth": 1.0, "condition by formula": 1.01, "tenth by formula": 1.0, "mean tenth": 1.0}
    case = {"experiment": "curvature", "network": "shortcuts over 2", "depth": 6, "seed": 0}
    conclusion = Shortcuts(**TOY).conclude(Measurements([Measured(case=case, values=values, seconds=1)]))
    assert conclusion.findings[0].verdict == "disagrees"


def test_a_network_is_trained(tmp_path):
    study = Shortcuts(**TOY, folders=(draw_images(tmp_path / "images"),))
    (tmp_path / "bench").mkdir()
    bench = Bench(folder=tmp_path / "bench")
    (line,) = study.prepare(bench)
    assert "2 classes, 8 images to train on and 4 to validate on" in line
    values = study.measure({"experiment": "training", "network": "over 3, A", "seed": 0}, bench)
    assert values["training losses"] == [values["training loss"]]
    assert 0 <= values["validation error"] <= 1


def test_full_sizes_can_be_built():
    full = study_named("shortcuts", full=True)
    assert all(depth % 6 == 0 for depth in full.depths)
    spans = [len(CifarResNet(10, depth=full.layers, span=span).layer1) for span in (1, 2, 3)]
    assert spans == [18, 9, 6]
