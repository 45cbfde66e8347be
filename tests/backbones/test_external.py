"""Networks that are not the zoo's: modules of one's own, and timm's names."""

import csv
import shlex
import sys
import types

import pytest
import torch
from torch import nn

import convlens
from convlens.backbones.resolve import network
from convlens.core.errors import MachineError, NetworkError, UsageError
from convlens.core.preprocessing import Preprocessing
from convlens.pipeline.trained import load_run
from convlens.tasks.train import resume, train
from convlens.training.recipe import Recipe
from convlens.zoo import card, registry
from tests.images import TINY, draw_images
from tests.tasks.test_resume import stopped


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Nothing stays adopted beyond a test."""
    monkeypatch.setattr(registry, "_ADOPTED", {})


@pytest.fixture
def convlens_command(request):
    """Runs a command; the package has the fixture's own name here."""
    return request.getfixturevalue("convlens")


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
    folder = draw_images(tmp_path / "images")
    options = {**TINY, "weights": None}
    record = convlens.train(folder, backbone=module, out=tmp_path / "run", **options)
    assert (record.backbone, record.weights.source) == ("module:Own", "module")
    assert record.freeze.frozen_unchanged
    assert record.freeze.trained_parameters == 8 * 2 + 2
    assert all(torch.equal(module.state_dict()[key], before[key]) for key in before)
    (prediction,) = convlens.predict(tmp_path / "run", folder / "blue" / "000.png").predictions
    assert set(prediction.probabilities) == {"blue", "green"}
    trained = load_run(tmp_path / "run")[1].state_dict()
    assert torch.equal(trained["body.0.weight"], before["body.0.weight"])


def test_a_module_goes_wherever_a_name_goes(tmp_path):
    """In compare, as a change of a recipe, and in train: one way resolves what a backbone is."""
    folder = draw_images(tmp_path / "images")
    options = {**TINY, "weights": None}
    record = convlens.compare(folder, backbone=Own(), tricks=["cosine"], seeds=1, out=tmp_path / "table", **options)
    assert [row.recipe["backbone"] for row in record.rows] == ["module:Own"] * 2
    again = convlens.train(folder, recipe=Recipe(size=32, epochs=1), backbone=Own(), out=tmp_path / "run")
    assert (again.backbone, again.weights.source) == ("module:Own", "module")


def test_in_another_process_it_must_be_adopted_again(tmp_path, monkeypatch):
    folder = draw_images(tmp_path / "images")
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
    folder = draw_images(tmp_path / "images")
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
        ({"name": "timm:small"}, "means timm's own network of that name. Use another one, such as 'mine:small'"),
        ({"head": "tip"}, "the last ones are top"),
    ],
)
def test_wrong_use(arguments, told):
    with pytest.raises(UsageError, match=told):
        convlens.adopt(Own(), **arguments)


def test_a_module_of_ones_own_cannot_begin_anew(tmp_path):
    """Its weights are all that is known of it: what is called random, or from scratch, must not be these."""
    folder = draw_images(tmp_path / "images")
    told = "module:Own has the weights that it came with"
    with pytest.raises(UsageError, match=told):
        convlens.train(folder, backbone=Own(), out=tmp_path / "run", **TINY)
    with pytest.raises(UsageError, match=told):
        convlens.compare(folder, backbone="module:Own", fractions=[0.5], out=tmp_path / "table")
    assert not (tmp_path / "table").exists()


def test_a_module_without_a_head():
    with pytest.raises(UsageError, match="the last ones are none"):
        convlens.adopt(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()))


PRETRAINED = Own().state_dict()
"""What the stand-in for timm downloads."""


@pytest.fixture
def timm(monkeypatch):
    """A stand-in with timm's interface: timm itself imports torchvision, which cannot be had beside a CPU build."""
    library = types.ModuleType("timm")

    def create_model(name, pretrained=False):
        if name == "far" and pretrained:
            raise ConnectionError("no route to host")
        if name not in ("tiny", "far"):
            raise RuntimeError(f"Unknown model ({name})")
        module = Own()
        if pretrained:
            module.load_state_dict(PRETRAINED)
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
    folder = draw_images(tmp_path / "images")
    record = convlens.train(folder, backbone="timm:tiny", out=tmp_path / "run", **{**TINY, "weights": "pretrained"})
    assert (record.backbone, record.weights.source) == ("timm:tiny", "timm")
    used = card("timm:tiny").preprocessing
    assert (used.size, used.resize, used.interpolation, used.mean) == (48, 50, "bicubic", (0.5, 0.5, 0.5))
    monkeypatch.setattr(registry, "_ADOPTED", {})  # as in another process
    assert len(convlens.predict(tmp_path / "run", folder).predictions) == 16


def filters(run):
    return load_run(run)[1].state_dict()["body.0.weight"]


def test_timms_weights_are_there_again_in_another_process(timm, tmp_path, monkeypatch, convlens_command):
    """When it goes on, by its recipe, and by the command in its record: the frozen layers are never random ones."""
    folder = draw_images(tmp_path / "images")
    options = {"backbone": "timm:tiny", "weights": "pretrained"}
    stopped(folder, tmp_path / "run", **options)
    monkeypatch.setattr(registry, "_ADOPTED", {})
    record = resume(tmp_path / "run")
    monkeypatch.setattr(registry, "_ADOPTED", {})
    train(folder, tmp_path / "run" / "recipe.toml", out=tmp_path / "again")
    monkeypatch.setattr(registry, "_ADOPTED", {})
    outcome = convlens_command(*shlex.split(record.command)[1:], "--out", tmp_path / "told")
    assert outcome.code == 0, outcome.err
    assert "random weights" not in outcome.err
    for run in ("run", "again", "told"):
        assert torch.equal(filters(tmp_path / run), PRETRAINED["body.0.weight"])
    weights = {(tmp_path / run / "model.safetensors").read_bytes() for run in ("run", "again", "told")}
    assert len(weights) == 1


def test_timms_random_weights_are_drawn_from_the_seed_and_warned_of(timm, tmp_path, monkeypatch):
    folder = draw_images(tmp_path / "images")
    found, told = {}, []
    for run, seed in {"one": 1, "same": 1, "other": 2}.items():
        record = convlens.train(folder, backbone="timm:tiny", seed=seed, out=tmp_path / run, say=told.append, **TINY)
        assert (record.recipe["weights"], record.weights.source) == ("random", "random")
        found[run] = filters(tmp_path / run)
        if run == "one":
            monkeypatch.setattr(registry, "_ADOPTED", {})
    assert torch.equal(found["one"], found["same"])
    assert not torch.equal(found["one"], found["other"])
    assert sum("have random weights" in line and "weights='pretrained'" in line for line in told) == 3


def test_both_of_timms_weights_in_one_process(timm):
    for weights, same in (("pretrained", True), ("random", False), ("pretrained", True)):
        module = network("timm:tiny", classes=4, weights=weights)
        assert torch.equal(module.state_dict()["body.0.weight"], PRETRAINED["body.0.weight"]) == same
        assert module.top.out_features == 4


def test_random_weights_come_from_torchs_generator(timm):
    """Also the first time, when the network is not known yet."""
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(network("timm:tiny", weights="random").state_dict()["body.0.weight"])
    assert torch.equal(*made)


@pytest.mark.parametrize(
    ("name", "weights", "error", "told"),
    [
        ("timm:tiny", "given", UsageError, "timm:tiny is not. Set weights='random', or 'pretrained'"),
        ("resnet18", "given", UsageError, "resnet18 is not. Set weights='random', or leave it out"),
        ("timm:far", "pretrained", NetworkError, "could not get the weights of timm:far .no route to host."),
    ],
)
def test_weights_that_cannot_be_had(timm, name, weights, error, told):
    with pytest.raises(error, match=told):
        network(name, weights=weights)


def test_a_network_that_timm_does_not_have(timm):
    with pytest.raises(UsageError, match="timm has no network 'tinny'"):
        convlens.inspect("timm:tinny")


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MachineError, match=r"pip install 'convlens\[timm\]'"):
        convlens.inspect("timm:resnet50")


class Wrapper(nn.Module):
    """As DataParallel and its kin: the network is held as `self.module`."""

    def __init__(self):
        super().__init__()
        self.module = Own()

    def forward(self, x):
        return self.module(x)


class Tied(Own):
    """Two names of one parameter, a buffer that is in no state, and a plain tensor that is no buffer."""

    def __init__(self):
        super().__init__()
        self.also = self.body[0]
        self.register_buffer("gray", torch.tensor([0.3, 0.6, 0.1]).view(1, 3, 1, 1), persistent=False)
        self.shift = torch.tensor(0.5)

    def forward(self, x):
        return super().forward(x * self.gray + self.shift)


class Unordered(Own):
    """Its last layer is made first, and another one that does not run is made last."""

    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(8, 3)


@pytest.mark.parametrize("module", [Wrapper, Tied, Unordered])
@pytest.mark.parametrize("options", [{}, {"head": "hidden", "head_width": 8}])
def test_what_was_trained_comes_back_whole(tmp_path, module, options):
    folder = draw_images(tmp_path / "images")
    options = {**TINY, "weights": None, "precision": "fp32", **options}
    convlens.train(folder, backbone=module(), out=tmp_path / "run", **options)
    table = csv.DictReader((tmp_path / "run" / "predictions.csv").read_text().splitlines())
    told = {line["file"]: float(line["p(blue)"]) for line in table}
    files = [folder / file for file in told]
    found = [one.probabilities["blue"] for one in convlens.predict(tmp_path / "run", *files).predictions]
    assert found == pytest.approx(list(told.values()), abs=1e-5)


class Changed(Own):
    def __init__(self, change):
        super().__init__()
        self.change = change
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        return self.change(self, super().forward(x))


def remember(module, scores):
    module.seen += 1
    return scores


class Ends(Own):
    """A layer that is made last, does not run, and is named."""

    def __init__(self):
        super().__init__()
        self.tip = nn.Linear(8, 3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _, s: {"logits": s}, "gives a dict with the keys logits; training needs one tensor"),
        (lambda _, s: (s, s), r"gives a tuple of 2; training needs one tensor .* `return self.network\(x\)\[0\]`"),
        (lambda _, s: s[:, :, None, None], r"outputs of shape \(2, 2, 1, 1\) for two images and 2 classes"),
        (lambda _, s: s + torch.randn_like(s), "gives different outputs for the same images"),
        (lambda _, s: nn.functional.dropout(s), "gives different outputs for the same images"),
        (lambda _, s: s - s.mean(0), "depends on the other images of its batch"),
        (lambda _, s: nn.functional.batch_norm(s, None, None, training=True), "cannot be run on a batch of 1"),
        (remember, r"changes its own state in evaluation mode \(seen\)"),
        (lambda _, s: s / 0, "scores that are not finite"),
    ],
)
def test_what_would_not_answer_as_it_was_trained_is_refused_before_training(tmp_path, change, told):
    folder = draw_images(tmp_path / "images")
    with pytest.raises(UsageError, match=told):
        convlens.train(folder, backbone=Changed(change), out=tmp_path / "run", **{**TINY, "weights": None})
    with pytest.raises(UsageError, match=told):
        convlens.compare(folder, backbone="module:Changed", tricks=[], seeds=1, out=tmp_path / "table")
    assert not (tmp_path / "run").exists()


def test_what_is_lost_in_a_file_of_weights_is_refused(tmp_path):
    class Restless(Own):
        """Each copy of it is another one."""

        def __deepcopy__(self, memo):
            made = Restless()
            made.load_state_dict(self.state_dict())
            made.factor = torch.rand(()) + len(memo)
            return made

        def forward(self, x):
            return super().forward(x) * getattr(self, "factor", 1)

    folder = draw_images(tmp_path / "images")
    with pytest.raises(UsageError, match="gives different outputs after its weights were saved and loaded"):
        convlens.train(folder, backbone=Restless(), out=tmp_path / "run", **{**TINY, "weights": None})


def test_a_head_that_does_not_run_is_refused(tmp_path):
    folder = draw_images(tmp_path / "images")
    name = convlens.adopt(Ends(), head="tip", size=32)
    with pytest.raises(UsageError, match=r"the layer 'tip' of module:Ends does not run"):
        convlens.train(folder, backbone=name, out=tmp_path / "run", **{**TINY, "weights": None})


def test_a_softmax_at_the_end_is_warned_of(tmp_path):
    folder = draw_images(tmp_path / "images")
    module = Changed(lambda _, scores: scores.softmax(1))
    record = convlens.train(folder, backbone=module, out=tmp_path / "run", **{**TINY, "weights": None})
    assert any("it ends in a softmax, and the loss applies another one" in line for line in record.warnings)
    with pytest.raises(UsageError, match=r"the last layer 'top' of this network is followed by aten\.softmax"):
        convlens.train(folder, backbone=module, out=tmp_path / "other", dropout=0.5, **{**TINY, "weights": None})


def test_a_module_for_another_size_is_refused_with_what_to_say():
    class Fixed(Own):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8))

    with pytest.raises(UsageError, match=r"two color images of 224 x 224 pixels .* convlens\.adopt\(module, size=32\)"):
        convlens.adopt(Fixed())
    assert card(convlens.adopt(Fixed(), size=32)).head == "top"
