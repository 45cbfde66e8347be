"""Weights of Keras and Caffe, in small: files in their layouts, and answers computed as these frameworks do."""

import struct
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens import zoo
from convlens.backbones.resolve import preprocessing_for
from convlens.core.errors import DataError, MachineError
from convlens.layers.residual import PaperBottleneck
from convlens.zoo.foreign import translated

Arrays = Mapping[str, list[Tensor]]
"""Layers of Keras: kernels (height, width, in, out), and rows over maps that were flattened place by place."""


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def vgg_layers() -> dict[str, list[Tensor]]:
    return {
        "block1_conv1": [torch.randn(3, 3, 3, 4), torch.randn(4)],
        "block1_pool": [],
        "block2_conv1": [torch.randn(3, 3, 4, 6), torch.randn(6)],
        "fc1": [torch.randn(2 * 3 * 6, 5), torch.randn(5)],
        "fc2": [torch.randn(5, 4), torch.randn(4)],
        "predictions": [torch.randn(4, 2), torch.randn(2)],
    }


class SmallVgg(nn.Module):
    """The course of a VGG on images of 8 x 12 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.classifier = nn.Sequential(
            *(nn.Linear(6 * 2 * 3, 5), nn.ReLU(), nn.Dropout()),
            *(nn.Linear(5, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 2)),
        )

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.features(x).flatten(1))
        return scores


def answers_of_keras(layers: Arrays, pixels: Tensor) -> Tensor:
    """Of images (N, height, width, 3), less the mean pixel, as blue, green and red; channels last throughout."""
    x = (pixels - torch.tensor([123.68, 116.779, 103.939])).flip(3)
    for name in ("block1_conv1", "block2_conv1"):
        kernel, bias = layers[name]
        maps = F.conv2d(x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), bias, padding=1)
        x = F.max_pool2d(maps.relu(), 2).permute(0, 2, 3, 1)
    x = x.flatten(1)
    for name in ("fc1", "fc2", "predictions"):
        x = x @ layers[name][0] + layers[name][1]
        x = x if name == "predictions" else x.relu()
    return x


# Files


def listed(path: Path, layers: Arrays, *, names: tuple[str, str] = ("kernel:0", "bias:0"), nested: bool = True) -> None:
    """As Keras 1 and 2 write it."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if nested else file
        root.attrs["layer_names"] = [name.encode() for name in layers]
        for name, arrays in layers.items():
            group = root.create_group(name)
            of_arrays = [f"{name}/{one}" if nested else f"{name}_{one}" for one in names]
            group.attrs["weight_names"] = [one.encode() for one in of_arrays[: len(arrays)]]
            for one, array in zip(of_arrays, arrays, strict=False):
                group[one] = array.numpy()


def numbered(path: Path, layers: Arrays) -> None:
    """As Keras 3 does: groups called by their classes, in the order of the alphabet."""
    with h5py.File(path, "w") as file:
        for number, (name, arrays) in enumerate(layers.items()):
            kind = "dense" if arrays and arrays[0].ndim == 2 else "conv2d"
            group = file.create_group(f"layers/{kind}_{number}/vars")
            group.attrs["name"] = name
            for place, array in enumerate(arrays):
                group[str(place)] = array.numpy()
        file.create_group("optimizer/vars")["0"] = 3


def archived(path: Path, layers: Arrays) -> None:
    inner = path.with_suffix(".inner")
    numbered(inner, layers)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "model.weights.h5")
        archive.writestr("config.json", "{}")


FORMS: Mapping[str, Callable[[Path, Arrays], None]] = {
    "model.h5": listed,
    "tf_kernels.h5": lambda path, layers: listed(path, layers, names=("W_1:0", "b_1:0"), nested=False),
    "model.weights.h5": numbered,
    "model.keras": archived,
}


@pytest.mark.parametrize(("name", "write"), FORMS.items(), ids=FORMS)
def test_a_vgg_of_keras_answers_as_there(tmp_path: Path, name: str, write: Callable[[Path, Arrays], None]) -> None:
    layers, module = vgg_layers(), SmallVgg().eval()
    write(tmp_path / name, layers)
    module.load_state_dict(translated(tmp_path / name, "keras", zoo.card("vgg16"), module.state_dict()))
    pixels = torch.randint(0, 256, (2, 8, 12, 3)).float()
    fed = preprocessing_for("vgg16", str(tmp_path / name))
    inputs = (pixels.permute(0, 3, 1, 2) / 255 - torch.tensor(fed.mean)[:, None, None]) / torch.tensor(fed.std)[
        :, None, None
    ]
    torch.testing.assert_close(module(inputs), answers_of_keras(layers, pixels), rtol=1e-4, atol=1e-2)


class SmallResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(PaperBottleneck(4, 2, 1), PaperBottleneck(8, 2, 1))
        self.fc = nn.Linear(8, 3)


CALLED = {
    "new": (("conv1_conv", "conv1_bn"), lambda block, part, kind: f"conv2_block{block}_{part}_{kind}", 1.001e-5),
    "old": (
        ("conv1", "bn_conv1"),
        lambda block, part, kind: (
            f"{'res' if kind == 'conv' else 'bn'}2{'ab'[block - 1]}_branch{('1', '2a', '2b', '2c')[part]}"
        ),
        1e-3,
    ),
}


def resnet_layers(called: str) -> dict[str, list[Tensor]]:
    """Kernels and biases; scales, shifts, means and variances."""
    first, name, _ = CALLED[called]
    convolutions = [(first, (7, 3, 4))]
    for block, width in ((1, 4), (2, 8)):
        sizes = {1: (1, width, 2), 2: (3, 2, 2), 3: (1, 2, 8), **({0: (1, width, 8)} if block == 1 else {})}
        convolutions += [((name(block, part, "conv"), name(block, part, "bn")), size) for part, size in sizes.items()]
    layers = {}
    for (conv, norm), (side, width, out) in convolutions:
        layers[conv] = [torch.randn(side, side, width, out), torch.randn(out)]
        layers[norm] = [torch.randn(out), torch.randn(out), torch.randn(out), torch.rand(out) + 0.1]
    return layers | {"fc1000": [torch.randn(8, 3), torch.randn(3)]}


@pytest.mark.parametrize("called", CALLED)
def test_a_resnet_of_keras_has_its_biases_in_the_means_and_its_epsilon_in_the_variances(
    tmp_path: Path, called: str
) -> None:
    layers, module = resnet_layers(called), SmallResNet().eval()
    numbered(tmp_path / "w.weights.h5", layers)
    state = translated(tmp_path / "w.weights.h5", "keras", zoo.card("resnet50_v1"), module.state_dict())
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    (first, first_norm), name, epsilon = CALLED[called]
    pairs = [(module.conv1, module.bn1, first, first_norm)]
    for number, block in enumerate(module.layer1, start=1):
        for part in (1, 2, 3):
            conv, norm = getattr(block, f"conv{part}"), getattr(block, f"bn{part}")
            pairs.append((conv, norm, name(number, part, "conv"), name(number, part, "bn")))
    pairs.append((*module.layer1[0].downsample, name(1, 0, "conv"), name(1, 0, "bn")))
    for conv, norm, theirs, their_norm in pairs:
        kernel, bias = layers[theirs]
        scale, shift, mean, variance = layers[their_norm]
        x = torch.randn(1, conv.in_channels, 9, 9)
        kernel = kernel.permute(3, 2, 0, 1)
        y = F.conv2d(x.flip(1) if conv is module.conv1 else x, kernel, bias, conv.stride, conv.padding)
        expected = F.batch_norm(y, mean, variance, scale, shift, eps=epsilon)
        torch.testing.assert_close(norm(conv(x)), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(module.fc.weight, layers["fc1000"][0].T)


# Caffe


def field(number: int, content: bytes | int) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    head = bytearray()
    while value > 0x7F:
        head.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*head, value])


def caffe_model(layers: Mapping[str, list[Tensor]], *, old: bool) -> bytes:
    """A NetParameter: in the older form blobs have four axes always."""

    def blob(array: Tensor) -> bytes:
        data = field(5, struct.pack(f"<{array.numel()}f", *array.flatten().tolist()))
        if old:
            axes = (1,) * (4 - array.ndim) + tuple(array.shape)
            return b"".join(field(number, size) for number, size in enumerate(axes, start=1)) + data
        return field(7, field(1, b"".join(map(varint, array.shape)))) + data

    net, name_field, blobs_field = (2, 4, 6) if old else (100, 1, 7)
    contents = (
        field(name_field, name.encode()) + b"".join(field(blobs_field, blob(array)) for array in arrays)
        for name, arrays in layers.items()
    )
    return field(1, b"a net") + b"".join(field(net, content) for content in contents)


@pytest.mark.parametrize("old", [True, False], ids=["layers", "layer"])
def test_a_vgg_of_caffe_has_its_tensors_where_they_belong(tmp_path: Path, old: bool) -> None:
    module = SmallVgg()
    state = module.state_dict()
    names = {"conv1_1": "features.0", "conv2_1": "features.3", "fc6": "classifier.0", "fc7": "classifier.3"}
    names["fc8"] = "classifier.6"
    layers = {theirs: [state[f"{ours}.weight"], state[f"{ours}.bias"]] for theirs, ours in names.items()}
    (tmp_path / "VGG.caffemodel").write_bytes(caffe_model({"data": [], **layers}, old=old))
    found = translated(tmp_path / "VGG.caffemodel", "caffe", zoo.card("vgg16"), state)
    assert found.keys() == state.keys()
    assert torch.equal(found["features.0.weight"], state["features.0.weight"].flip(1))
    assert all(torch.equal(found[name], state[name]) for name in state if name != "features.0.weight")
    fed = preprocessing_for("vgg16", str(tmp_path / "VGG.caffemodel"))
    assert fed.std == (1 / 255,) * 3


def test_a_normalization_of_caffe_is_divided_by_its_factor(tmp_path: Path) -> None:
    scale, shift, mean, variance = (torch.rand(4) + 0.1 for _ in range(4))
    layers = {
        "conv1": [torch.randn(4, 3, 7, 7)],
        "bn_conv1": [mean * 999, variance * 999, torch.tensor([999.0])],
        "scale_conv1": [scale, shift],
    }
    (tmp_path / "r.caffemodel").write_bytes(caffe_model(layers, old=False))
    found = translated(tmp_path / "r.caffemodel", "caffe", zoo.card("resnet50_v1"), SmallResNet().state_dict())
    torch.testing.assert_close(found["bn1.running_mean"], mean)
    torch.testing.assert_close(found["bn1.running_var"], variance)
    assert torch.equal(found["bn1.weight"], scale)
    assert torch.equal(found["bn1.bias"], shift)


# Refusals


def test_the_network_that_fits_is_named(tmp_path: Path) -> None:
    listed(tmp_path / "w.h5", vgg_layers())
    with pytest.raises(DataError, match=r"not for resnet50\. Those of its ResNets fit resnet50_v1: try backbone='resn"):
        zoo.network("resnet50", weights=tmp_path / "w.h5")
    with pytest.raises(DataError, match=r"converted for vgg16, vgg19, .* not for house\. Ask for the state dict"):
        zoo.network("house", weights=tmp_path / "w.h5")
    with pytest.raises(DataError, match=r"is not of resnet50_v1: its layers are called block1_conv1"):
        zoo.network("resnet50_v1", weights=tmp_path / "w.h5")
    with pytest.raises(DataError, match="does not fit vgg16"):
        zoo.network("vgg16", weights=tmp_path / "w.h5")


def test_a_missing_library_and_damaged_files_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torn.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 99)
    with pytest.raises(DataError, match="cannot be read as a file of Keras"):
        zoo.network("vgg16", weights=tmp_path / "torn.h5")
    (tmp_path / "torn.caffemodel").write_bytes(caffe_model({"conv1_1": [torch.zeros(4, 3, 3, 3)]}, old=True)[:-9])
    with pytest.raises(DataError, match="cannot be read as a model of Caffe: it ends early"):
        zoo.network("vgg16", weights=tmp_path / "torn.caffemodel")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["table"] = [1, 2, 3]
    with pytest.raises(DataError, match="without weights of layers"):
        zoo.network("vgg16", weights=tmp_path / "data.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MachineError, match=r"pip install 'convlens\[keras\]'"):
        zoo.network("vgg16", weights=tmp_path / "data.h5")
