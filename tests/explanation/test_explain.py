"""What an explanation says, against what torch says."""

import base64
import io
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import convlens
from convlens.core.errors import DataError, UsageError
from convlens.explanation.explain import Plan, explain
from convlens.explanation.images import heat_map, strongest_maps
from convlens.explanation.statistics import rounded, statistics
from convlens.report.explain import explanation_page
from convlens.tasks.explain import explain_mistakes
from convlens.tasks.train import train
from tests.graph.nets import Residual, randomized
from tests.images import COLORS, TINY_HOUSE, draw, draw_images


@pytest.fixture(scope="module")
def made():
    module = randomized(Residual()).eval()
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return module, x, explain(module, x, name="small", target=1, classes=["a", "b", "c"])


def node(explanation, title):
    return next(node for node in explanation.nodes if node.title == title)


def test_values_and_gradients_are_torchs(made):
    module, x, explanation = made
    seen = {}
    hook = module.conv2.register_forward_hook(lambda *args: seen.setdefault("value", args[2]))
    value = module(x)[0, 1]
    hook.remove()
    (gradient,) = torch.autograd.grad(value, seen["value"])
    found = node(explanation, "conv2")
    assert found.value.mean == pytest.approx(seen["value"].mean().item(), rel=1e-4)
    assert found.upstream.norm == pytest.approx(gradient.norm().item(), rel=1e-4)
    assert found.shape == list(seen["value"].shape)
    weight = next(line for line in found.parameter_lines if line.name == "conv2.weight")
    (expected,) = torch.autograd.grad(module(x)[0, 1], module.conv2.weight)
    assert weight.gradient_norm == pytest.approx(expected.norm().item(), rel=1e-4)


def test_guesses_and_target(made):
    module, x, explanation = made
    probabilities = module(x)[0].softmax(0)
    assert explanation.target == "the score of b"
    assert explanation.guesses[0].name == "abc"[int(probabilities.argmax())]
    assert explanation.guesses[0].probability == pytest.approx(probabilities.max().item(), rel=1e-4)


def test_an_output_that_is_probabilities_is_taken_as_it_is():
    torch.manual_seed(0)
    linear, x = nn.Linear(3, 4), torch.randn(1, 3)
    scores = linear(x)[0]
    for last, expected in (
        (nn.Identity(), scores.softmax(0)),
        (nn.Softmax(1), scores.softmax(0)),
        (nn.LogSoftmax(1), scores.softmax(0)),
        (nn.Sigmoid(), scores.sigmoid()),
    ):
        found = explain(nn.Sequential(linear, last), x).guesses
        assert [one.probability for one in found] == pytest.approx(expected.sort(descending=True).values.tolist(), 1e-4)


@pytest.mark.parametrize("last", [nn.Identity(), nn.Sigmoid()])
def test_one_output_alone_says_nothing_about_classes(last):
    explanation = explain(nn.Sequential(nn.Linear(3, 1), last), torch.randn(1, 3))
    assert explanation.guesses == []
    assert explanation.target == "the only output"


class Positioned(nn.Module):
    """With an operator without a rule off the way of the gradient, and its output in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor | None]:
        return {"logits": self.fc(x + torch.linspace(0, 1, 4)), "loss": None}


def test_what_backpropagation_takes_is_explained():
    explanation = explain(Positioned(), torch.randn(1, 4))
    assert node(explanation, "linspace").formula == ""
    assert node(explanation, "fc").formula != ""
    assert explanation.check.largest_difference < 1e-5


def test_a_network_in_half_precision():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    x = torch.randn(1, 3, 8, 8)
    expected = pixels(explain(module, x).input_gradient)[..., 3].astype(int)
    found = pixels(explain(module.bfloat16(), x.bfloat16()).input_gradient)[..., 3].astype(int)
    assert np.abs(found - expected).mean() < 5


def test_contributions_add_up_where_paths_join(made):
    _, _, explanation = made
    (joined,) = [one for one in explanation.nodes if len(one.contributions) > 1]
    assert {explanation_title(explanation, one.through) for one in joined.contributions} == {"conv2", "add"}


def explanation_title(explanation, identity):
    return next(node.title for node in explanation.nodes if node.id == identity)


def test_the_check_finds_a_wrong_rule(monkeypatch, made):
    module, x, explanation = made
    assert explanation.check.largest_difference < 1e-5
    assert explanation.check.compared == len(list(module.parameters()))
    real = convlens.backpropagate.__globals__["_by_parameter"]

    def planted(graph, gradients):
        return {name: gradient * 1.01 for name, gradient in real(graph, gradients).items()}

    monkeypatch.setitem(convlens.backpropagate.__globals__, "_by_parameter", planted)
    assert explain(module, x).check.largest_difference == pytest.approx(0.01, rel=1e-3)


class Noting(nn.Module):
    """Whose output depends on chance and on a buffer that each forward pass changes, in evaluation mode, too."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean.add_(0.5 * x.mean(0))
        return self.fc(nn.functional.dropout(x * self.mean))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("module", "x"), [(randomized(Residual()), torch.randn(1, 3, 8, 8)), (Noting(), torch.randn(1, 3))]
)
def test_a_module_in_training_mode_stays_as_it_was_and_its_passes_agree(module, x):
    module.train()
    first = next(iter(module.children())).eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    explanation = explain(module, x)
    assert explanation.check.largest_difference < 1e-5
    assert module.training
    assert not first.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_a_module_in_training_mode_is_explained_as_it_predicts(made):
    module, x, expected = made
    module.train()
    try:
        assert explain(module, x).guesses[0].probability == expected.guesses[0].probability
    finally:
        module.eval()


def test_small_tensors_are_there_in_numbers_with_their_local_gradients():
    module = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    explanation = explain(module, torch.tensor([[1.0, 2.0]]))
    last = explanation.nodes[-1]
    assert last.numbers == [[rounded(module(torch.tensor([[1.0, 2.0]])).item())]]
    local = {one.wrt: one for one in last.local_gradients}
    hidden = module[1](module[0](torch.tensor([[1.0, 2.0]])))
    assert local["2.weight"].shape == [1, 1, 1, 3]
    np.testing.assert_allclose(np.array(local["2.weight"].numbers).ravel(), hidden.detach().numpy().ravel(), rtol=1e-4)


def test_the_plan_marks_frozen_nodes_and_the_cut(made):
    module, x, _ = made
    frozen = {name for name, _ in module.named_parameters() if not name.startswith("fc")}
    explanation = explain(module, x, plan=Plan(frozen, {"view"}))
    states = {node.title: node.state for node in explanation.nodes}
    assert (states["conv1"], states["fc"], states["add"]) == ("frozen", "trained", "")
    assert [node.id for node in explanation.nodes if node.cut] == ["view"]


def test_grad_cam_of_a_network_that_looks_at_one_corner():
    """Global pooling over a map that is bright at one corner: the image of Grad-CAM is bright there."""
    module = nn.Sequential(
        nn.Conv2d(3, 1, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)
    )
    with torch.no_grad():
        module[0].weight.fill_(1)
        module[4].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    x = torch.zeros(1, 3, 8, 8)
    x[:, :, :3, :3] = 1
    cam = pixels(explain(module, x, target=0).grad_cam)[..., 3]
    assert cam[:2, :2].min() > 200
    assert cam[5:, 5:].max() == 0
    assert explain(module, x, target=1).grad_cam is not None


class Permute(nn.Module):
    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(self.order)


class MeanOver(nn.Module):
    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(self.axes)


def test_grad_cam_of_maps_with_their_channels_last():
    """The same network with its channels first, last, and last for a while: the same image."""
    torch.manual_seed(0)
    convolution, scores = nn.Conv2d(3, 5, 3), nn.Linear(5, 2)
    last, first = Permute(0, 2, 3, 1), Permute(0, 3, 1, 2)
    x = torch.randn(1, 3, 12, 10)
    expected, *others = (
        explain(nn.Sequential(convolution, *between, scores), x, target=0).grad_cam
        for between in (
            (nn.GELU(), MeanOver(2, 3)),
            (last, nn.GELU(), MeanOver(1, 2)),
            (last, nn.GELU(), first, nn.Identity(), MeanOver(2, 3)),
            (last, nn.LayerNorm(5, elementwise_affine=False), nn.GELU(), first, nn.ReLU(), MeanOver(2, 3)),
        )
    )
    assert expected is not None
    assert others[:2] == [expected, expected]
    assert others[2] is not None


def test_no_grad_cam_where_places_became_tokens():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.Flatten(2), Permute(0, 2, 1), nn.GELU(), MeanOver(1))
    assert explain(module, torch.randn(1, 3, 8, 8)).grad_cam is None


def test_grad_cam_of_a_network_whose_last_map_is_one_place(request):
    """LeNet-5 ends in a convolution over all of S4: an image of C5 would be one color."""
    request.getfixturevalue("cache")
    cam = pixels(convlens.explain("lenet5", target=0).explanation.grad_cam)[..., 3]
    assert cam.min() < cam.max()


def pixels(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))


def test_effective_receptive_fields_lie_in_the_computed_ones():
    torch.manual_seed(0)
    convolutions = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2)
    module = nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    explanation = explain(module, torch.randn(1, 3, 15, 15))
    assert sum(one.effective_field is not None for one in explanation.nodes) == 3
    for one in explanation.nodes:
        if one.effective_field:
            rows, columns = np.nonzero(pixels(one.effective_field)[..., 3])
            for axis, seen, size in zip(one.field, (rows, columns), one.shape[2:], strict=True):
                start = axis.offset + (size // 2) * axis.stride
                assert start <= seen.min()
                assert seen.max() < start + axis.size


def test_a_module_of_ones_own_shows_its_input_its_class_names_and_the_image(made):
    module, x, _ = made
    page = convlens.explain(module, x, classes=["a", "b", "c"], target="b")
    assert page.explanation.target == "the score of b"
    drawn = pixels(page.explanation.image)[..., :3].transpose(2, 0, 1)
    expected = (x[0] - x.min()) / (x.max() - x.min()) * 255
    np.testing.assert_allclose(drawn, expected.numpy(), atol=0.51)
    gray = torch.linspace(0, 1, 64).reshape(1, 8, 8)
    assert pixels(convlens.explain(module, x, shown_image=gray).explanation.image)[0, 0, 0] == 0
    assert explain(nn.Sequential(nn.Conv2d(2, 1, 1), nn.Flatten()), torch.randn(1, 2, 2, 2)).image is None


def test_maps_are_the_strongest():
    value = torch.zeros(5, 4, 4)
    value[3], value[1] = 5, 2
    assert strongest_maps(value, 2, 8).channels == [3, 1]
    assert strongest_maps(torch.zeros(5, 1, 1), 2, 8) is None


def test_heat_maps_are_clear_where_nothing_is():
    image = pixels(heat_map(torch.tensor([[0.0, 0.0], [0.0, 1.0]]), (2, 2)))
    assert image[0, 0, 3] == 0
    assert image[1, 1, 3] > 200


def test_statistics():
    found = statistics(torch.tensor([0.0, 0.0, 3.0, 5.0]))
    assert (found.mean, found.zeros, found.smallest, found.largest) == (2, 0.5, 0, 5)
    assert found.std == pytest.approx(torch.tensor([0.0, 0.0, 3.0, 5.0]).std(correction=0).item(), rel=1e-4)
    assert sum(found.counts) == 4
    assert statistics(torch.tensor([float("nan")])) is None
    assert statistics(torch.ones(3)).counts == [3]


def test_a_run_shows_its_cut_and_its_classes(tmp_path):
    folder = draw_images(tmp_path / "images")
    train(folder, out=tmp_path / "run", **TINY_HOUSE)
    explanation = convlens.explain(tmp_path / "run", folder / "blue" / "000.png", target="green").explanation
    assert explanation.target == "the score of green"
    assert any(node.cut for node in explanation.nodes)
    assert {node.state for node in explanation.nodes if node.parameters} == {"frozen", "trained"}


def test_mistakes_of_a_run_are_explained_and_linked(tmp_path):
    folder = draw_images(tmp_path / "images", 12)
    for name in ("blue", "green"):  # half of them under the wrong label, so that there are mistakes
        for number in range(0, 12, 2):
            draw(
                folder / name / f"{number:03d}.png",
                COLORS["green" if name == "blue" else "blue"],
                f"wrong {name}{number}",
            )
    run = tmp_path / "run"
    record = train(folder, out=run, **TINY_HOUSE)
    assert record.mistakes
    assert "--mistakes 5" in (run / "report.html").read_text()
    pages = explain_mistakes(run, 2)
    assert pages
    assert all(page.parent == run / "explained" for page in pages)
    assert f'href="explained/{pages[0].name}"' in (run / "report.html").read_text()
    assert f"the score of {record.mistakes[0].predicted}" in pages[0].read_text()


def test_one_file_that_asks_nothing(made):
    _, _, explanation = made
    page = explanation_page(explanation)
    assert "default-src 'none'" in page
    assert "http:" not in page
    assert "https:" not in page
    record = json.loads(page.partition('id="record">')[2].partition("</script>")[0])
    assert record["network"] == "small"


def test_in_a_notebook_it_shows_itself():
    page = convlens.explain(nn.Linear(2, 2), torch.randn(1, 2))
    assert page._repr_html_().startswith('<iframe srcdoc="&lt;!DOCTYPE html')


@pytest.mark.parametrize(
    ("arguments", "options", "error", "told"),
    [
        (("resnet19",), {}, UsageError, "did you mean resnet18"),
        (("mlp",), {"target": "eleven"}, UsageError, "did you mean seven"),
        (("mlp",), {"target": 10}, UsageError, "there are 10 classes, from 0 to 9"),
        (("mlp", "no.png"), {}, UsageError, r"no such image: no\.png"),
        (("causal_stack", "no.png"), {}, UsageError, "not images; leave it out"),
        (("alexnet",), {"size": 10, "weights": "random"}, UsageError, "needs a side of at least"),
        ((nn.Linear(2, 2),), {}, UsageError, "give its input"),
        ((nn.Linear(2, 2), torch.randn(1, 2)), {"size": 64}, UsageError, "leave weights and size out"),
        ((nn.Linear(2, 2), torch.randn(1, 2)), {"classes": ["a"]}, UsageError, "1 names are given, .* has 2 classes"),
        ((nn.Linear(2, 2), torch.randn(1, 2)), {"shown_image": torch.ones(2, 2)}, UsageError, r"got \(2, 2\)"),
        (("mlp",), {"classes": ["a"]}, UsageError, "are for your own modules; mlp has its own"),
        (
            (nn.Linear(2, 2), torch.randn(3, 2)),
            {},
            UsageError,
            r"one example, of shape \(1, \.\.\.\); got shape \(3, 2\)",
        ),
    ],
)
def test_wrong_use(arguments, options, error, told):
    with pytest.raises(error, match=told):
        convlens.explain(*arguments, **options)


def test_a_file_that_is_no_image(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(DataError, match=r"a\.png is not a readable image"):
        convlens.explain("mlp", tmp_path / "a.png")


def test_the_command(request, tmp_path):
    command = request.getfixturevalue("convlens")  # the package has the name here
    outcome = command("explain", "mlp", "--out", tmp_path / "mlp.html")
    assert outcome.code == 0
    assert "Its weights are random" in outcome.out
    assert "%" not in outcome.out  # of no class is said how likely it is
    assert (tmp_path / "mlp.html").stat().st_size > 10_000


class WeighedByADistance(nn.Module):
    """An operator outside the table, that no gradient passes."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        rows = x.detach()
        return self.fc(x) * (1 + torch.cdist(rows, rows).sum())


def test_what_is_not_counted_is_said():
    explanation = explain(WeighedByADistance().eval(), torch.randn(1, 4))
    assert explanation.multiply_adds == 4 * 3
    assert any("do not include" in note and "aten.cdist.default" in note for note in explanation.notes)


_NORMALIZED_IMAGES = """
import torch
from torch import nn
from convlens.explanation.explain import explain

module = nn.Sequential(nn.GroupNorm(1, 3), nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
x = torch.rand(1, 3, 9, 9).contiguous(memory_format=torch.channels_last)
assert explain(module, x).check.largest_difference < 1e-4
"""


def test_a_network_that_begins_with_group_normalization_is_explained():
    # In a process of its own: torch 2.13 ends it where that operator's input is channels last and has no gradient.
    done = subprocess.run([sys.executable, "-c", _NORMALIZED_IMAGES], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
