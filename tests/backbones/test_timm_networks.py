"""timm's networks without a classifier, at other sizes and with other poolings; a stand-in has timm's interface."""

import sys
import types

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import convlens
from convlens.backbones.resolve import network
from convlens.backbones.timm_networks import Form, PooledNetwork, built_name, make_known
from convlens.core.bundle import BUNDLE_FILE, Bundle
from convlens.core.errors import DataError, NetworkError, UsageError
from convlens.core.settings import as_keywords
from convlens.pipeline.trained import load_run
from convlens.training.recipe import Recipe
from convlens.zoo import card, registry
from tests.images import TINY, draw_images

CONFIG = {
    "input_size": (3, 64, 64),
    "fixed_input_size": True,
    "crop_pct": 0.9,
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "classifier": "head",
    "license": "dinov3-license",
}


class Transformer(nn.Module):
    """Patches of 16 pixels with position embeddings, a class token, and a head where there are classes."""

    num_prefix_tokens = 1
    num_features = head_hidden_size = 6

    def __init__(self, num_classes, img_size=64):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.positions = nn.Parameter(torch.randn(1, 1 + (img_size // 16) ** 2, 6))
        self.mix = nn.Linear(6, 6)
        self.num_classes = num_classes
        self.head = nn.Linear(6, num_classes) if num_classes else nn.Identity()
        self.pretrained_cfg = {**CONFIG, "num_classes": num_classes}

    def forward_features(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return x + self.mix(x).softmax(1)

    def forward(self, x):
        return self.head(self.forward_features(x)[:, 0])


class Distilled(Transformer):
    """Two classifiers, whose scores are averaged."""

    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.second = nn.Linear(6, num_classes) if num_classes else nn.Identity()
        self.pretrained_cfg = {**CONFIG, "classifier": ("head", "second")}

    def forward(self, x):
        tokens = self.forward_features(x)
        return (self.head(tokens[:, 0]) + self.second(tokens[:, 1])) / 2


class Convolutions(nn.Sequential):
    """No vision transformer, for any size."""

    def __init__(self):
        super().__init__()
        self.add_module("conv", nn.Conv2d(3, 4, 3))
        self.add_module("pool", nn.AdaptiveAvgPool2d(1))
        self.add_module("flat", nn.Flatten())
        self.add_module("fc", nn.Linear(4, 10))
        self.pretrained_cfg = {**CONFIG, "classifier": "fc", "fixed_input_size": False, "license": "apache-2.0"}


def create_model(name, pretrained=False, pretrained_cfg_overlay=None, **options):
    makers = {
        "headless": lambda num_classes=0, **more: Transformer(num_classes, **more),
        "vit": lambda num_classes=10, **more: Transformer(num_classes, **more),
        "distilled": lambda num_classes=10, **more: Distilled(num_classes, **more),
        "convolutions": lambda **more: Convolutions(**more),
        "far": lambda **more: Convolutions(**more),
    }
    if name.startswith("local-dir:"):
        raise FileNotFoundError(f"Config file not found: {name}")
    if name == "hf-hub:owner/published":
        name = "headless"
    if name.startswith("hf-hub:"):
        raise ConnectionError("no route to host")
    if name not in makers:
        raise RuntimeError(f"Unknown model ({name})")
    if name == "far" and pretrained:
        raise ConnectionError("no route to host")
    module = makers[name](**options)
    if pretrained_cfg_overlay:
        module.load_state_dict(pretrained_cfg_overlay["state_dict"])
    elif pretrained and name == "convolutions":
        raise RuntimeError("No pretrained weights exist for convolutions")
    elif pretrained:
        nn.init.constant_(module.mix.weight, 0.5)
    return module


@pytest.fixture(autouse=True)
def timm(monkeypatch):
    library = types.ModuleType("timm")
    library.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", library)
    monkeypatch.setattr(registry, "_ADOPTED", {})


FORMS = [
    ("timm:vit", Form(model="vit")),
    ("timm:vit.tag?size=224", Form(model="vit.tag", size=224)),
    ("timm:hf-hub:timm/vit?size=224&pooling=both", Form(model="hf-hub:timm/vit", size=224, pooling="both")),
    ("timm:local-dir:/models/vit", Form(model="local-dir:/models/vit")),
]


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_a_form_is_written_as_it_is_read(name, form):
    assert (Form.of(name), str(form)) == (form, name)


def test_the_hub_and_folders_need_no_library_before_them(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert str(Form.of("hf-hub:timm/vit?size=224")) == "timm:hf-hub:timm/vit?size=224"
    assert str(Form.of("local-dir:vit")) == f"timm:local-dir:{tmp_path}/vit"


@pytest.mark.parametrize("told", ["size=big", "pooling=max", "patch=16", "size"])
def test_a_form_that_is_none(told):
    with pytest.raises(UsageError, match=r"may stand size=PIXELS and pooling=own\|token\|mean\|both"):
        Form.of(f"timm:vit?{told}")


def test_a_network_without_a_classifier_gets_one():
    make_known("timm:headless")
    assert (card("timm:headless").head, card("timm:headless").license) == ("head", "dinov3-license")
    module = network("timm:headless", classes=3, weights="random").eval()
    x = torch.rand(2, 3, 64, 64)
    assert torch.equal(module(x), module.head(module.body(x)))
    assert module(x).shape == (2, 3)


def test_two_classifiers_become_one():
    module = network("timm:distilled?pooling=both", classes=3, weights="random")
    assert isinstance(module, PooledNetwork)
    assert module(torch.rand(2, 3, 64, 64)).shape == (2, 3)
    assert isinstance(network("timm:distilled", classes=3, weights="random"), PooledNetwork)


def test_a_network_with_a_classifier_stays_as_it_is():
    assert isinstance(network("timm:vit", classes=3, weights="random"), Transformer)


def test_poolings():
    x = torch.rand(2, 3, 64, 64)
    for pooling, pooled in {
        "token": lambda tokens: tokens[:, 0],
        "mean": lambda tokens: tokens[:, 1:].mean(1),
        "both": lambda tokens: torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1),
    }.items():
        module = network(built_name("timm:vit", 64, pooling), weights="random").eval()
        torch.testing.assert_close(module.pooled(x), pooled(module.body.forward_features(x)))


@pytest.mark.parametrize(
    ("backbone", "pooling", "told"),
    [
        ("resnet18", "mean", "pooling='mean' is for vision transformers of timm; resnet18 pools in its own way"),
        (
            "timm:convolutions",
            "mean",
            "pooling='mean': timm:convolutions is not a vision transformer. Take pooling='own'",
        ),
        ("timm:convolutions", "token", "pooling='token': timm:convolutions is not a vision transformer"),
    ],
)
def test_poolings_that_a_network_does_not_have(backbone, pooling, told):
    with pytest.raises(UsageError) as error:
        built_name(backbone, 64, pooling)
    assert told in as_keywords(str(error.value))


def test_the_size_is_part_of_the_name_where_the_network_is_made_for_one():
    assert built_name("timm:vit", 64, "own") == "timm:vit"
    assert built_name("timm:vit", 32, "own") == "timm:vit?size=32"
    assert built_name("timm:vit?size=32", 32, "own") == "timm:vit?size=32"
    assert built_name("timm:convolutions", 32, "own") == "timm:convolutions"
    module = network("timm:vit?size=32", weights="random")
    assert module.positions.shape == (1, 5, 6)
    used = card("timm:vit?size=32").preprocessing
    assert (used.size, used.resize, used.interpolation, used.mean) == (32, 36, "bicubic", (0.5, 0.5, 0.5))


def test_the_crop_is_rounded_down_as_timm_does():
    make_known("timm:vit")
    assert card("timm:vit").preprocessing.resize == 71


def test_a_run_of_a_network_without_a_classifier(tmp_path, monkeypatch):
    folder, said = draw_images(tmp_path / "images"), []
    record = convlens.train(
        folder,
        backbone="timm:headless",
        pooling="both",
        out=tmp_path / "run",
        say=said.append,
        **{**TINY, "weights": "pretrained"},
    )
    assert (record.backbone, record.weights.license) == ("timm:headless", "dinov3-license")
    assert any("under the license dinov3-license, not a common free license" in line for line in said)
    bundle = Bundle.from_json((tmp_path / "run" / BUNDLE_FILE).read_bytes(), BUNDLE_FILE)
    assert bundle.backbone == "timm:headless?size=32&pooling=both"
    monkeypatch.setattr(registry, "_ADOPTED", {})  # as in another process
    trained = load_run(tmp_path / "run")[1]
    assert bool((trained.body.mix.weight == 0.5).all())
    assert len(convlens.predict(tmp_path / "run", folder).predictions) == 16
    assert convlens.inspect(str(tmp_path / "run")).input_shape == ["batch", 3, 32, 32]


def test_a_run_of_a_network_of_the_hub(tmp_path, monkeypatch):
    folder = draw_images(tmp_path / "images")
    for run, backbone in (("one", "hf-hub:owner/published"), ("two", "timm:hf-hub:owner/published")):
        record = convlens.train(folder, backbone=backbone, out=tmp_path / run, **{**TINY, "weights": "pretrained"})
        assert record.weights.source == "timm"
        bundle = Bundle.from_json((tmp_path / run / BUNDLE_FILE).read_bytes(), BUNDLE_FILE)
        assert bundle.backbone == "timm:hf-hub:owner/published?size=32"
    assert record.features.computed == 0
    monkeypatch.setattr(registry, "_ADOPTED", {})
    assert len(convlens.predict(tmp_path / "one", folder).predictions) == 16


@pytest.fixture
def run_of_one_size(tmp_path):
    folder = draw_images(tmp_path / "images")
    convlens.train(folder, backbone="timm:vit", out=tmp_path / "run", **TINY)
    return tmp_path / "run"


def test_a_run_is_inspected_at_another_size(run_of_one_size):
    assert convlens.inspect(str(run_of_one_size)).input_shape == ["batch", 3, 32, 32]
    assert convlens.inspect(str(run_of_one_size), size=48).input_shape == ["batch", 3, 48, 48]


def test_a_run_of_one_size_is_evaluated_at_no_other(run_of_one_size):
    images = run_of_one_size.parent / "images"
    assert convlens.evaluate(run_of_one_size, images, size=32, side="all").images == 16
    with pytest.raises(UsageError, match=r"only takes images of 32 pixels, because of its position embeddings"):
        convlens.evaluate(run_of_one_size, images, size=48)


@pytest.mark.parametrize("name", ["timm:vit", "hf-hub:owner/net"])
def test_a_network_that_was_not_trained_here_names_no_classes(name, tmp_path):
    with pytest.raises(UsageError, match=rf"{name} is a timm network whose class names convlens does not know"):
        convlens.predict(name, draw_images(tmp_path / "images"))


def test_images_do_not_grow_where_a_network_takes_one_size(tmp_path):
    folder, changes = draw_images(tmp_path / "images"), {**TINY, "freeze": "none", "progressive_resizing": 0.5}
    with pytest.raises(UsageError, match=r"timm:vit\?size=32 only takes images of one size"):
        convlens.train(folder, backbone="timm:vit", out=tmp_path / "run", **changes)


@pytest.mark.parametrize("stated", [None, "unknown"])
def test_weights_without_a_license(stated, monkeypatch, tmp_path):
    monkeypatch.setitem(CONFIG, "license", stated)
    said = []
    changes = {**TINY, "backbone": "timm:headless", "weights": "pretrained"}
    convlens.train(draw_images(tmp_path / "images"), out=tmp_path / "run", say=said.append, **changes)
    assert any("timm states no license for the weights of timm:headless" in line for line in said)


def test_an_image_is_squashed_where_the_publisher_squashed(monkeypatch):
    monkeypatch.setitem(CONFIG, "crop_mode", "squash")
    make_known("timm:vit")
    known = card("timm:vit")
    assert (known.preprocessing.squash, known.preprocessing.resize, known.input_note) == (True, 71, None)


UNLIKE = [
    ({"crop_mode": "border"}, "were fitted by crop_mode 'border', while convlens crops the center, so its pre"),
    ({"interpolation": "lanczos"}, "were resized by lanczos interpolation, while convlens uses bilinear, so its pre"),
]


@pytest.mark.parametrize(("config", "told"), UNLIKE)
def test_what_the_publisher_does_otherwise_is_said_and_kept(config, told, monkeypatch, tmp_path):
    for name, value in config.items():
        monkeypatch.setitem(CONFIG, name, value)
    said, folder = [], draw_images(tmp_path / "images")
    record = convlens.train(
        folder, backbone="timm:headless", out=tmp_path / "run", say=said.append, **{**TINY, "weights": "pretrained"}
    )
    assert any(told in line for line in said)
    assert any(told in warning for warning in record.warnings)


def test_nothing_is_said_of_an_input_that_is_taken_whole(tmp_path):
    record = convlens.train(
        draw_images(tmp_path / "images"),
        backbone="timm:headless",
        out=tmp_path / "run",
        **{**TINY, "weights": "random"},
    )
    assert not any("were fitted" in warning or "were resized" in warning for warning in record.warnings)


def test_runs_that_pool_differently_share_no_features(tmp_path):
    folder = draw_images(tmp_path / "images")
    computed = []
    for pooling in ("token", "mean", "mean"):
        settings = {**TINY, "backbone": "timm:vit", "pooling": pooling}
        record = convlens.train(folder, out=tmp_path / f"{len(computed)}", **settings)
        computed.append(record.features.computed)
    assert computed == [16, 16, 0]


def test_a_recipe_from_before_poolings_has_the_identity_that_it_had():
    assert "pooling" not in Recipe().identity()
    assert Recipe(pooling="mean").identity()["pooling"] == "mean"


def test_a_publishers_file_goes_through_timm(tmp_path):
    published = Transformer(0)
    save_file(published.state_dict(), tmp_path / "published.safetensors")
    module = network("timm:headless", classes=3, weights=tmp_path / "published.safetensors")
    assert torch.equal(module.body.mix.weight, published.mix.weight)
    whole = Transformer(10)
    save_file(whole.state_dict(), tmp_path / "whole.safetensors")
    module = network("timm:vit?pooling=mean", classes=3, weights=tmp_path / "whole.safetensors")
    assert torch.equal(module.body.mix.weight, whole.mix.weight)


def test_a_file_of_another_network(tmp_path):
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"other.safetensors holds no weights of timm:headless \(Error.* loading"):
        network("timm:headless", weights=tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("name", "weights", "error", "told"),
    [
        ("timm:hf-hub:owner/net", "pretrained", NetworkError, "could not get timm:hf-hub:owner/net .no route to host"),
        ("hf-hub:owner/net", "random", NetworkError, "give a file of weights .*weights.* or a folder"),
        (
            "timm:far",
            "pretrained",
            NetworkError,
            "the weights of timm:far .no route.*or set .*random.* if random layers are what you want",
        ),
        ("timm:local-dir:nowhere", "pretrained", UsageError, "It needs config.json and a file of weights"),
        ("timm:convolutions", "pretrained", NetworkError, "timm publishes no weights for timm:convolutions"),
        ("timm:convolutions?size=32", "random", UsageError, "made for any size of images"),
    ],
)
def test_what_cannot_be_had(name, weights, error, told):
    with pytest.raises(error, match=told):
        network(name, weights=weights)
