"""Networks that are not the zoo's: modules of one's own, and timm's names."""

import sys
import types

import pytest
import torch
from torch import nn

import convlens
from convlens.core.errors import MachineError, UsageError
from convlens.core.preprocessing import Preprocessing
from convlens.tasks.predict import load_bundle
from convlens.zoo import card, registry
from tests.tasks.pictures import TINY, draw_pictures


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Nothing stays adopted beyond a test."""
    monkeypatch.setattr(registry, "_ADOPTED", {})


class Own(nn.Module):
    """Somebody's own network."""

    def __init__(self, classes=10):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.top = nn.Linear(8, classes)

    def forward(self, x):
        return self.top(torch.flatten(self.body(x), 1))


def test_a_module_is_trained_used_and_left_as_it_was(tmp_path):
    torch.manual_seed(0)
    module = Own()
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    folder = draw_pictures(tmp_path / "pictures")
    options = {**TINY, "weights": None}
    record = convlens.train(folder, backbone=module, out=tmp_path / "run", **options)
    assert (record.backbone, record.weights.source) == ("module:Own", "module")
    assert record.freeze.frozen_unchanged
    assert record.freeze.trained_parameters == 8 * 2 + 2
    assert all(torch.equal(module.state_dict()[key], before[key]) for key in before)
    (prediction,) = convlens.predict(tmp_path / "run", folder / "blue" / "000.png").predictions
    assert set(prediction.probabilities) == {"blue", "green"}
    trained = load_bundle(tmp_path / "run")[1].state_dict()
    assert torch.equal(trained["body.0.weight"], before["body.0.weight"])


def test_in_another_process_it_must_be_adopted_again(tmp_path, monkeypatch):
    folder = draw_pictures(tmp_path / "pictures")
    convlens.train(folder, backbone=Own(), out=tmp_path / "run", **{**TINY, "weights": None})
    monkeypatch.setattr(registry, "_ADOPTED", {})
    with pytest.raises(UsageError, match=r"convlens\.adopt\(module, 'module:Own'\)"):
        convlens.predict(tmp_path / "run", folder)
    convlens.adopt(Own(classes=7), "module:Own")  # of whatever values and classes: the run brings its own
    assert len(convlens.predict(tmp_path / "run", folder).predictions) == 16


def test_it_is_known_by_its_name_everywhere():
    name = convlens.adopt(Own(), "mine:small", preprocessing=Preprocessing(size=32, resize=36))
    assert convlens.inspect(name).parameters == sum(p.numel() for p in Own().parameters())
    assert convlens.explain(name).explanation.network == "mine:small"
    assert (card(name).head, card(name).classes, card(name).preprocessing.size) == ("top", 10, 32)


def test_two_modules_of_one_name_are_not_mixed_up(tmp_path):
    """The cache of captured graphs goes by names; a module's name says nothing of what it is made of."""
    folder = draw_pictures(tmp_path / "pictures")
    first = convlens.train(folder, backbone=Own(), **{**TINY, "weights": None}, out=tmp_path / "a")

    class Wider(Own):
        def __init__(self):
            super().__init__()
            self.body[0], self.body[1] = nn.Conv2d(3, 16, 3, stride=2), nn.BatchNorm2d(16)
            self.top = nn.Linear(16, 10)

    Wider.__name__ = "Own"
    second = convlens.train(folder, backbone=Wider(), **{**TINY, "weights": None}, out=tmp_path / "b")
    assert (first.freeze.trained_parameters, second.freeze.trained_parameters) == (18, 34)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"name": "small"}, "needs a colon, such as 'mine:small'"),
        ({"head": "tip"}, "the last ones are top"),
    ],
)
def test_wrong_use(arguments, told):
    with pytest.raises(UsageError, match=told):
        convlens.adopt(Own(), **arguments)


def test_a_module_without_a_head():
    with pytest.raises(UsageError, match="the last ones are none"):
        convlens.adopt(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()))


@pytest.fixture
def timm(monkeypatch):
    """A stand-in with timm's interface: timm itself imports torchvision, which cannot be had beside a CPU build."""
    library = types.ModuleType("timm")

    def create_model(name, pretrained=False):
        if name != "tiny":
            raise RuntimeError(f"Unknown model ({name})")
        torch.manual_seed(1 if pretrained else 0)
        module = Own()
        module.pretrained_cfg = {
            "input_size": (3, 48, 48),
            "crop_pct": 0.96,
            "interpolation": "bicubic",
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
            "classifier": "top",
        }
        return module

    library.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", library)


def test_timms_networks_by_name(timm, tmp_path, monkeypatch):
    folder = draw_pictures(tmp_path / "pictures")
    record = convlens.train(folder, backbone="timm:tiny", out=tmp_path / "run", **{**TINY, "weights": "pretrained"})
    assert record.backbone == "timm:tiny"
    used = card("timm:tiny").preprocessing
    assert (used.size, used.resize, used.interpolation, used.mean) == (48, 50, "bicubic", (0.5, 0.5, 0.5))
    monkeypatch.setattr(registry, "_ADOPTED", {})  # as in another process
    assert len(convlens.predict(tmp_path / "run", folder).predictions) == 16


def test_a_network_that_timm_does_not_have(timm):
    with pytest.raises(UsageError, match="timm has no network 'tinny'"):
        convlens.inspect("timm:tinny")


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MachineError, match=r"pip install 'convlens\[timm\]'"):
        convlens.inspect("timm:resnet50")
