"""One network and more of each of timm's families, from its name to a run that predicts the same."""

import pytest
import torch
from benchmarks.timm_families import FAMILIES, REFUSED, tried

import convlens
from convlens.backbones.resolve import network
from convlens.backbones.timm_networks import built_name
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
