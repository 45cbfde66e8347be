"""Parameter counts, and torchvision's names and shapes, of networks without values."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from convlens import zoo
from convlens.zoo.registry import NETWORKS
from convlens.zoo.structure import structure

PARAMETERS = {
    "alexnet": 61_100_840,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "house": 2_872_188,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
}

NUM_KEYS = {
    "alexnet": 16,
    "densenet121": 727,
    "densenet161": 967,
    "densenet169": 1015,
    "densenet201": 1207,
    "house": 138,
    "resnet18": 122,
    "resnet34": 218,
    "resnet50": 320,
    "resnet101": 626,
    "resnet152": 932,
    "vgg11": 22,
    "vgg16": 32,
    "vgg16_bn": 97,
    "vgg19": 38,
}

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def of(name: str) -> nn.Module:
    return structure(NETWORKS[name].build, zoo.card(name).classes)


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in of(name).state_dict().items()}


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": () if part == "num_batches_tracked" else (channels,) for part in NORM}


def layer(name: str, *weight: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


@pytest.mark.parametrize("name", PARAMETERS)
def test_number_of_parameters(name):
    assert sum(parameter.numel() for parameter in of(name).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", NUM_KEYS)
def test_number_of_names(name):
    assert len(of(name).state_dict()) == NUM_KEYS[name]


def test_alexnet_is_torchvisions():
    assert shapes("alexnet") == {
        **layer("features.0", 64, 3, 11, 11),
        **layer("features.3", 192, 64, 5, 5),
        **layer("features.6", 384, 192, 3, 3),
        **layer("features.8", 256, 384, 3, 3),
        **layer("features.10", 256, 256, 3, 3),
        **layer("classifier.1", 4096, 9216),
        **layer("classifier.4", 4096, 4096),
        **layer("classifier.6", 1000, 4096),
    }


def vgg16(places: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    widths = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    channels = zip(places, widths[1:], widths[:-1], strict=True)
    convolutions = [layer(f"features.{place}", width, before, 3, 3) for place, width, before in channels]
    return {
        **{key: shape for convolution in convolutions for key, shape in convolution.items()},
        **layer("classifier.0", 4096, 25088),
        **layer("classifier.3", 4096, 4096),
        **layer("classifier.6", 1000, 4096),
    }


def test_vgg16_is_torchvisions():
    assert shapes("vgg16") == vgg16((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28))


def test_vgg16_with_batch_normalization_is_torchvisions():
    places = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)
    expected = vgg16(places)
    for place in places:
        expected |= norm(f"features.{place + 1}", expected[f"features.{place}.bias"][0])
    assert shapes("vgg16_bn") == expected


def resnet(depths: tuple[int, ...], kernels: tuple[int, ...], expansion: int) -> dict[str, tuple[int, ...]]:
    expected = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    channels = 64
    for stage, (depth, width) in enumerate(zip(depths, (64, 128, 256, 512), strict=True), start=1):
        for block in range(depth):
            path, inner, out = f"layer{stage}.{block}", channels, width * expansion
            for i, kernel in enumerate(kernels, start=1):
                outer = out if i == len(kernels) else width
                expected[f"{path}.conv{i}.weight"] = (outer, inner, kernel, kernel)
                expected |= norm(f"{path}.bn{i}", outer)
                inner = outer
            if block == 0 and (stage > 1 or channels != out):
                expected[f"{path}.downsample.0.weight"] = (out, channels, 1, 1)
                expected |= norm(f"{path}.downsample.1", out)
            channels = out
    return expected | layer("fc", 1000, channels)


def test_resnets_are_torchvisions():
    assert shapes("resnet18") == resnet((2, 2, 2, 2), (3, 3), 1)
    assert shapes("resnet34") == resnet((3, 4, 6, 3), (3, 3), 1)
    assert shapes("resnet50") == resnet((3, 4, 6, 3), (1, 3, 1), 4)
    assert shapes("resnet152") == resnet((3, 8, 36, 3), (1, 3, 1), 4)


def test_resnet_keys_spelt_out():
    found = shapes("resnet50")
    assert list(found)[:2] == ["conv1.weight", "bn1.weight"]
    assert found["layer1.0.conv1.weight"] == (64, 64, 1, 1)
    assert found["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert found["layer3.5.bn3.running_var"] == (1024,)
    assert found["layer4.2.conv2.weight"] == (512, 512, 3, 3)
    assert list(found)[-2:] == ["fc.weight", "fc.bias"]
    assert "layer1.0.downsample.0.weight" not in shapes("resnet18")


def densenet(depths: tuple[int, ...], growth_rate: int) -> dict[str, tuple[int, ...]]:
    channels = 2 * growth_rate
    expected = {"features.conv0.weight": (channels, 3, 7, 7), **norm("features.norm0", channels)}
    for block, depth in enumerate(depths, start=1):
        for i in range(1, depth + 1):
            path = f"features.denseblock{block}.denselayer{i}"
            expected |= norm(f"{path}.norm1", channels)
            expected[f"{path}.conv1.weight"] = (4 * growth_rate, channels, 1, 1)
            expected |= norm(f"{path}.norm2", 4 * growth_rate)
            expected[f"{path}.conv2.weight"] = (growth_rate, 4 * growth_rate, 3, 3)
            channels += growth_rate
        if block < len(depths):
            expected |= norm(f"features.transition{block}.norm", channels)
            expected[f"features.transition{block}.conv.weight"] = (channels // 2, channels, 1, 1)
            channels //= 2
    return expected | norm("features.norm5", channels) | layer("classifier", 1000, channels)


def test_densenets_are_torchvisions():
    assert shapes("densenet121") == densenet((6, 12, 24, 16), 32)
    assert shapes("densenet161") == densenet((6, 12, 36, 24), 48)
    assert shapes("densenet169") == densenet((6, 12, 32, 32), 32)
    assert shapes("densenet201") == densenet((6, 12, 48, 32), 32)


def test_densenet_keys_spelt_out():
    found = shapes("densenet121")
    assert next(iter(found)) == "features.conv0.weight"
    assert found["features.denseblock2.denselayer3.conv1.weight"] == (128, 192, 1, 1)
    assert found["features.transition3.conv.weight"] == (512, 1024, 1, 1)
    assert found["features.denseblock4.denselayer16.conv2.weight"] == (32, 128, 3, 3)
    assert found["features.norm5.running_mean"] == (1024,)
    assert list(found)[-2:] == ["classifier.weight", "classifier.bias"]


def house_block(path: str, channels: int, width: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{path}.conv1.weight": (width, channels, 3, 3),
        **norm(f"{path}.bn1", width),
        f"{path}.conv2.weight": (width, width, 3, 3),
        **norm(f"{path}.bn2", width),
        **layer(f"{path}.se.fc1", width // 8, width, 1, 1),
        **layer(f"{path}.se.fc2", width, width // 8, 1, 1),
    }


def house_shortcut(path: str, channels: int, width: int) -> dict[str, tuple[int, ...]]:
    """The average pooling is number 0; it has no parameters."""
    return {f"{path}.downsample.1.weight": (width, channels, 1, 1), **norm(f"{path}.downsample.2", width)}


def test_house_has_the_names_of_its_weights():
    expected = {"conv1.weight": (32, 3, 3, 3), **norm("bn1", 32), **house_block("layer1.0", 32, 32)}
    for stage, channels, width in ((2, 32, 64), (3, 64, 128), (4, 128, 256)):
        expected |= house_block(f"layer{stage}.0", channels, width)
        expected |= house_shortcut(f"layer{stage}.0", channels, width)
        expected |= house_block(f"layer{stage}.1", width, width)
    assert shapes("house") == expected | layer("fc", 200, 256)


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("resnet18", ["layer1.0.conv1", "layer2.0.downsample.0", "maxpool", "avgpool", "fc"]),
        ("vgg16", ["features.28", "features.30", "avgpool", "classifier.6"]),
        (
            "densenet121",
            ["features.pool0", "features.denseblock2.denselayer3.conv1", "features.norm5"],
        ),
    ],
)
def test_submodules_have_torchvisions_names(name, paths):
    module = of(name)
    assert all(isinstance(module.get_submodule(path), nn.Module) for path in paths)


def test_a_structure_draws_no_random_number_and_takes_no_memory():
    before = torch.get_rng_state()
    module = of("vgg19")
    assert torch.equal(torch.get_rng_state(), before)
    assert all(tensor.is_meta for tensor in module.state_dict().values())


def test_a_structure_does_not_import_sympy():
    code = """
import sys
from convlens.zoo.registry import NETWORKS
from convlens.zoo.structure import structure
for build, _ in NETWORKS.values():
    structure(build, 5)
sys.exit("sympy" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
