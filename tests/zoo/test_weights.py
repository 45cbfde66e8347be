import os
import pickle
import re
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from convlens import zoo
from convlens.core.errors import DataError, IntegrityError, UsageError
from convlens.zoo import weights as weights_module
from convlens.zoo.registry import NETWORKS
from convlens.zoo.structure import structure

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def house() -> nn.Module:
    torch.manual_seed(0)
    return zoo.network("house", classes=3).eval()


def same(module: nn.Module, state: State) -> bool:
    own = module.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[key], state[key]) for key in own)


def saved(state: object, path: Path, **options: bool) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, **options)
    return path


def zeros(name: str, classes: int = 3) -> State:
    """A state that fits a network, with values that take no memory."""
    expected = structure(NETWORKS[name].build, classes).state_dict()
    return {key: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for key, tensor in expected.items()}


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin"])
def test_round_trip(house, tmp_path, suffix):
    path = saved(house.state_dict(), tmp_path / f"weights{suffix}")
    loaded = zoo.network("house", weights=path).eval()
    assert same(loaded, house.state_dict())
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(loaded(x), house(x))


def test_files_from_before_torch_1_6_are_read(house, tmp_path):
    path = saved(house.state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert same(zoo.network("house", weights=path), house.state_dict())


@pytest.mark.parametrize("name", ["densenet121", "house", "resnet18"])
def test_loading_leaves_nothing_on_meta_and_draws_no_random_number(tmp_path, name):
    path = saved(zoo.network(name, classes=2).state_dict(), tmp_path / "weights.safetensors")
    before = torch.get_rng_state()
    module = zoo.network(name, weights=path)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": state},
        lambda state: {f"module.{key}": tensor for key, tensor in state.items()},
        lambda state: {"model": {f"module.{key}": tensor for key, tensor in state.items()}},
    ],
)
def test_wrapped_states_are_unwrapped(house, tmp_path, wrapped):
    path = saved(wrapped(house.state_dict()), tmp_path / "weights.pth")
    assert zoo.read_weights(path).keys() == house.state_dict().keys()


def test_half_precision_is_loaded_as_single(house, tmp_path):
    half = {key: value.half() if value.is_floating_point() else value for key, value in house.state_dict().items()}
    module = zoo.network("house", weights=saved(half, tmp_path / "half.safetensors"))
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert torch.equal(module.fc.weight, half["fc.weight"].float())
    assert module.bn1.num_batches_tracked.dtype == torch.int64


def test_frozen_parameters_in_the_file_are_trainable_in_the_network(house, tmp_path):
    frozen = {key: nn.Parameter(value, requires_grad=False) for key, value in house.state_dict().items()}
    module = zoo.network("house", weights=saved(frozen, tmp_path / "frozen.pth"))
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert not isinstance(module.bn1.running_mean, nn.Parameter)


def test_missing_batch_counters_are_zero(house, tmp_path):
    state = {key: value for key, value in house.state_dict().items() if "num_batches_tracked" not in key}
    module = zoo.network("house", weights=saved(state, tmp_path / "old.safetensors"))
    assert module.layer4[1].bn2.num_batches_tracked == 0


def test_torchvisions_old_densenet_names_are_read(tmp_path):
    state = zoo.network("densenet121", classes=2).state_dict()
    old = {re.sub(r"(denselayer\d+\.\w{4})([12])", r"\1.\2", key): value for key, value in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert same(zoo.network("densenet121", weights=saved(old, tmp_path / "old.pth")), state)


def test_the_number_of_classes_is_that_of_the_file(house, tmp_path):
    path = saved(house.state_dict(), tmp_path / "weights.safetensors")
    assert zoo.classes_in(zoo.read_weights(path), "fc") == 3
    assert zoo.network("house", weights=path).fc.out_features == 3
    assert zoo.network("house", weights=path, classes=3).fc.out_features == 3
    with pytest.raises(DataError, match=r"holds house with 3 classes, and 5 classes are asked for\. Leave"):
        zoo.network("house", weights=path, classes=5)


def test_classes_of_a_state_without_that_layer():
    assert zoo.classes_in({"fc.bias": torch.zeros(3)}, "fc") is None
    assert zoo.classes_in({"fc.weight": torch.tensor(3.0)}, "fc") is None


def test_weights_of_another_network_are_refused_and_its_name_given():
    module = structure(NETWORKS["resnet18"].build, 3)
    with pytest.raises(DataError) as refusal:
        zoo.load_weights(module, zeros("resnet34"), "w.pth", "fc", name="resnet18")
    message = str(refusal.value)
    assert message.startswith("w.pth does not fit resnet18: 122 of 122 tensors fit; 96 unexpected: layer1.2.conv1.wei")
    assert message.endswith("It fits resnet34: try backbone='resnet34'.")


def test_every_difference_is_counted_and_the_first_three_are_named():
    module = structure(NETWORKS["resnet18"].build, 3)
    state = zeros("resnet18")
    for key in ("conv1.weight", "bn1.weight", "bn1.bias", "fc.bias"):
        del state[key]
    state |= {"extra": torch.zeros(1), "layer1.0.conv1.weight": torch.zeros(64, 64, 5, 5)}
    with pytest.raises(DataError) as refusal:
        zoo.load_weights(module, state, "w.pth", "fc", name="resnet18")
    assert str(refusal.value) == (
        "w.pth does not fit resnet18: 117 of 122 tensors fit; 4 missing: conv1.weight, bn1.weight, bn1.bias and 1 "
        "more; 1 unexpected: extra; 1 of another shape: layer1.0.conv1.weight "
        "(64x64x5x5 in the file, 64x64x3x3 in the network). "
        "It fits no network of the zoo (`convlens zoo`), and is nearest to resnet18 (95% of its tensors): names and "
        "shapes must be torchvision's. Load it into a module of its own network in Python and train that, "
        "convlens.train(..., backbone=module), or name the network of timm that it is for (backbone='timm:NAME')."
    )


def test_a_failed_load_changes_nothing(house):
    before = {key: value.clone() for key, value in house.state_dict().items()}
    with pytest.raises(DataError):
        zoo.load_weights(house, {"fc.weight": torch.zeros(3, 256)}, "w.pth", "fc")
    assert same(house, before)


class Bomb:
    """Runs code when a pickle of it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, zipped):
    trace = tmp_path / "was-here"
    state = {"fc.weight": torch.zeros(3, 256), "bomb": Bomb(trace)}
    path = saved(state, tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(IntegrityError, match=r"refused to open .*evil\.pth: it holds the Python object .*mkdir"):
        zoo.network("house", weights=path)
    assert not trace.exists()


def test_a_bare_pickle_is_refused_and_not_run(tmp_path):
    path, trace = tmp_path / "evil.bin", tmp_path / "was-here"
    path.write_bytes(pickle.dumps({"bomb": Bomb(trace)}))
    with pytest.raises(IntegrityError, match="refused to open"):
        zoo.read_weights(path)
    assert not trace.exists()


def test_a_whole_pickled_network_is_refused(house, tmp_path):
    with pytest.raises(IntegrityError, match=r"Ask for the tensors alone: .*state_dict"):
        zoo.read_weights(saved(house, tmp_path / "model.pth"))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("length", [10, 5000, 5_000_000])
def test_a_cut_file_is_refused(house, tmp_path, suffix, length):
    path = saved(house.state_dict(), tmp_path / f"cut{suffix}")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=rf"is incomplete: it is a .*, after {length} bytes.*download it again"):
        zoo.read_weights(path)


@pytest.mark.parametrize("length", [20, 3000])
def test_a_cut_file_from_before_torch_1_6_is_refused(house, tmp_path, length):
    path = saved(house.state_dict(), tmp_path / "cut.pth", _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"cannot be read as weights .* download it again"):
        zoo.read_weights(path)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "image.pth"
    path.write_bytes(b"hello, this is no file of weights")
    with pytest.raises(DataError, match="it is text, which begins 'hello, this is no file of weights'"):
        zoo.read_weights(path)
    path.write_bytes(bytes(range(1, 256)) * 20)
    with pytest.raises(DataError, match="cannot be read as weights: it begins like no file of safetensors or torch"):
        zoo.read_weights(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(2)], "holds a list, not a state dict"),
        (torch.zeros(2), "holds a Tensor, not a state dict"),
        ({}, "holds nothing, not a state dict"),
        ({"epoch": 3, "optimizer": {"exp_avg": torch.zeros(2)}}, "holds no state dict .*; its keys are epoch, optimi"),
        ({"fc.weight": torch.zeros(2, device="meta")}, "'fc.weight' is a Tensor, not a plain tensor"),
        ({"fc.weight": torch.zeros(2, 2).to_sparse()}, "'fc.weight' is a sparse Tensor, not a plain tensor"),
        ({"fc._packed_params": None, "fc.scale": torch.ones(())}, r"holds quantized weights \(fc._packed_params\)"),
        ({3: torch.zeros(2)}, "3 is a Tensor"),
    ],
)
def test_content_that_is_no_state_dict_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        zoo.read_weights(saved(content, tmp_path / "weights.pth"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no file of weights at .*nowhere\.pth\. Check the path"):
        zoo.network("house", weights=tmp_path / "nowhere.pth")
    with pytest.raises(UsageError, match="no file of weights"):
        zoo.read_weights(tmp_path)


def test_weights_of_the_package(house, tmp_path, monkeypatch):
    monkeypatch.setattr(weights_module, "_PACKAGE_FOLDER", tmp_path)
    with pytest.raises(DataError, match=r"the weights of house are missing from this installation"):
        zoo.network("house", weights="package")
    saved({k: v.half() for k, v in house.state_dict().items()}, tmp_path / "house.safetensors")
    assert zoo.network("house", weights="package").fc.out_features == 3
    with pytest.raises(UsageError, match="no weights of resnet18 ship with convlens; those of house do"):
        zoo.network("resnet18", weights="package")
