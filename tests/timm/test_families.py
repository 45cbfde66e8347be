"""One network and more of each of timm's families, from its name to a run that predicts the same."""

import pytest
import torch
from benchmarks.timm_families import FAMILIES, REFUSED, tried

import convlens
from convlens.backbones.resolve import network
from convlens.backbones.timm_networks import built_name
from convlens.graph.capture import capture
from convlens.graph.receptive_field import receptive_field
from convlens.zoo import card, registry

pytestmark = [
    pytest.mark.timm,
    pytest.mark.filterwarnings("ignore"),  # timm's own
]
NETWORKS = [(family, name, size) for family, networks in FAMILIES.items() for name, size in networks]


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(registry, "_ADOPTED", {})


@pytest.mark.parametrize(("family", "name", "size"), NETWORKS)
def test_a_family(family, name, size, tmp_path, monkeypatch):
    monkeypatch.setenv("CONVLENS_CACHE", str(tmp_path / "cache"))
    problem = tried(name, size, tmp_path).problem
    assert REFUSED[name] in problem if name in REFUSED else not problem


def test_convnext_has_receptive_fields_in_numbers():
    record = convlens.inspect("timm:convnext_tiny")
    assert (record.receptive_field, record.unsupported) == (1688, [])
    assert {line.module: line.receptive_field for line in record.modules}["stages.0"] == 76


@pytest.mark.parametrize("axis", [0, 1])
def test_convnext_tiny_sees_the_pixels_that_have_input_gradients(axis):
    """In float64, with the layer scales at 1: at their 1e-6 the gradients of the farthest pixels would be zero."""
    timm = pytest.importorskip("timm")
    module = timm.create_model("convnext_tiny", num_classes=0, global_pool="").eval().double().requires_grad_(False)
    for name, parameter in module.named_parameters():
        if name.endswith("gamma"):
            parameter.fill_(1)
    sides, place = [64, 64], [0, 0]
    sides[axis], place[axis] = 1728, 27  # 40 pixels more than are seen, and the place in the middle
    x = torch.rand(1, 3, *sides, dtype=torch.float64, requires_grad=True)
    graph = capture(module, torch.rand(2, 3, *sides, dtype=torch.float64), compare=False)
    field = receptive_field(graph).nodes[graph.outputs[0]][axis]
    assert (field.size, field.stride) == (1688, 32)
    (gradient,) = torch.autograd.grad(module(x)[0, 0, place[0], place[1]], x)
    touched = gradient[0].abs().sum(0).nonzero()[:, axis]
    start = field.offset + field.stride * place[axis]
    assert (int(touched.min()), int(touched.max())) == (start, start + field.size - 1)


def test_poolings_are_timms_own():
    """DINOv2 takes its class token, DINOv3 the mean of its patches."""
    for name, size, own in (("vit_small_patch14_dinov2", 56, "token"), ("vit_small_patch16_dinov3", 64, "mean")):
        x = torch.rand(2, 3, size, size)
        module = network(built_name(f"timm:{name}", size, own), weights="random").eval()
        torch.testing.assert_close(module.pooled(x), module.body(x))


def test_what_timm_says_of_the_input_is_taken():
    built_name("timm:vit_base_patch16_siglip_224", 224, "own")
    known = card("timm:vit_base_patch16_siglip_224")
    used = known.preprocessing
    assert (used.size, used.resize, used.interpolation, used.mean) == (224, 248, "bicubic", (0.5, 0.5, 0.5))
    assert known.license == "apache-2.0"


def test_the_size_reaches_the_position_embeddings():
    module = network(built_name("timm:vit_small_patch14_dinov2", 224, "own"), weights="random")
    assert module.body.pos_embed.shape == (1, 1 + (224 // 14) ** 2, 384)
