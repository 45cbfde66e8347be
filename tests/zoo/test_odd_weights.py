"""Files of weights as people bring them, modeled on public reports: each is read, or named for what it is."""

import pickle
import re

import numpy as np
import pytest
import safetensors.torch
import torch
from tools.odd_weights import (
    EXTRAS,
    HEADS,
    OTHER_FILES,
    PREFIXES,
    WRAPPERS,
    Trainer,
    before,
    house_state,
    in_format,
    with_value,
    without_head,
)
from torch import nn

from convlens import zoo
from convlens.core.errors import DataError, IntegrityError, UsageError


@pytest.fixture(scope="module")
def state():
    return house_state()


def loaded(content, path, **options):
    """The network of a file, and what was said."""
    torch.save(content, path)
    said = []
    return zoo.network("house", weights=path, say=said.append, **options), said


def same(module, state):
    own = module.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[name], state[name]) for name in own)


@pytest.mark.parametrize(("prefix", "said"), PREFIXES.items())
def test_prefixes_are_found_and_said(state, tmp_path, prefix, said):
    module, told = loaded(before(prefix, state), tmp_path / "w.pth")
    assert same(module, state)
    assert told == ([f"weights of w.pth: the prefix {said!r} is taken off its names"] if said else [])


def test_wrappers_inside_the_network_are_taken_off(state, tmp_path):
    """DataParallel around a part, as in the ImageNet example of torch, and a part that was compiled."""
    wrapped = {
        re.sub(r"^layer2\.", "layer2._orig_mod.", re.sub(r"^layer1\.", "layer1.module.", name)): tensor
        for name, tensor in state.items()
    }
    assert "layer1.module.0.conv1.weight" in wrapped
    module, told = loaded(wrapped, tmp_path / "w.pth")
    assert same(module, state)
    assert not told


@pytest.mark.parametrize("wrapped", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("suffix", [".ckpt", ".pth.tar", ".pkl", ""])
def test_wrapped_states_are_found_whatever_the_suffix(state, tmp_path, wrapped, suffix):
    module, told = loaded(wrapped(state), tmp_path / f"weights{suffix}")
    assert same(module, state)
    assert not told


def test_of_several_states_one_is_taken_and_the_others_named(state, tmp_path):
    averaged = {name: tensor * 2 for name, tensor in state.items()}
    module, (told,) = loaded({"state_dict_ema": averaged, "state_dict": state}, tmp_path / "w.pth")
    assert same(module, state)
    assert told.endswith("'state_dict' is taken, not state_dict_ema (to take another, save it alone)")
    module, (told,) = loaded({"student": before("backbone.", averaged), "teacher": state}, tmp_path / "w.pth")
    assert same(module, state)
    assert "that under 'teacher' is taken, not student" in told


def test_of_several_networks_in_one_state_one_is_taken_and_the_others_named(state, tmp_path):
    averaged = {name: tensor * 2 for name, tensor in state.items()}
    both = before("student.net.", averaged) | before("teacher.net.", state)
    module, (told,) = loaded(both, tmp_path / "w.pth")
    assert same(module, state)
    assert "the prefix 'teacher.net.' is taken off" in told
    assert "under student.net. it holds as much of the network, which is not taken" in told


def test_entries_of_other_things_are_left_out_and_said(state, tmp_path):
    module, (told,) = loaded({**state, **EXTRAS, "epoch": 3}, tmp_path / "w.pth")
    assert same(module, state)
    assert told == (
        "weights of w.pth: left out, since the network has no such part: module.n_averaged, train_accuracy.tp, "
        "aux_classifier.weight and 1 more"
    )


def test_counters_that_profilers_leave_are_left_out(state, tmp_path):
    module, _ = loaded({**state, "layer1.0.total_ops": torch.zeros(1)}, tmp_path / "w.pth")
    assert same(module, state)


def test_a_part_that_the_network_has_not_is_refused(state, tmp_path):
    with pytest.raises(
        DataError, match=r"138 of 138 tensors fit; 1 unexpected: layer1\.0\.attention\.weight\. It fits"
    ):
        loaded({**state, "layer1.0.attention.weight": torch.zeros(1)}, tmp_path / "w.pth")


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_another_head_is_left_out_where_it_is_new_anyway(state, tmp_path, head):
    module, (told,) = loaded(
        before("net.", without_head(state)) | before("net.", head), tmp_path / "w.pth", new_head=True
    )
    assert same(module, state | {"fc.weight": torch.zeros(200, 256), "fc.bias": torch.zeros(200)})
    assert told.endswith("its last layer is not that of house, and is left out: a new one takes its place")


def test_another_head_is_refused_where_it_is_used(state, tmp_path):
    with pytest.raises(
        DataError, match=r"136 of 138 tensors fit; 2 missing: fc\.weight, fc\.bias\. All but the last l"
    ):
        loaded(without_head(state), tmp_path / "w.pth")


def test_a_head_that_fits_is_kept(state, tmp_path):
    module, told = loaded(state, tmp_path / "w.pth", new_head=True)
    assert same(module, state)
    assert not told


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_number_formats(state, tmp_path, dtype):
    cast = in_format(state, dtype)
    module, told = loaded(cast, tmp_path / "w.pth")
    assert same(module, {name: tensor.to(state[name].dtype) for name, tensor in cast.items()})
    assert not told


def test_a_first_layer_for_gray_images_answers_the_same_on_gray_images(state, tmp_path):
    gray = zoo.network("house", classes=3).eval()
    gray.conv1 = nn.Conv2d(1, 32, kernel_size=3, stride=2, padding=1, bias=False)
    module, (told,) = loaded(gray.state_dict(), tmp_path / "w.pth")
    assert told == "weights of w.pth: the first layer of the file, conv1.weight, takes one channel and is spread over 3"
    x = torch.rand(2, 1, 64, 64)
    torch.testing.assert_close(module.eval()(x.expand(-1, 3, -1, -1)), gray(x))


def test_a_first_layer_for_color_images_answers_the_same_where_one_channel_is_read(tmp_path):
    color = zoo.network("lenet5")
    first = next(name for name, tensor in color.state_dict().items() if tensor.ndim == 4)
    weight = color.state_dict()[first]
    torch.save(color.state_dict() | {first: weight.repeat(1, 3, 1, 1) / 3}, tmp_path / "w.pth")
    said = []
    module = zoo.network("lenet5", weights=tmp_path / "w.pth", say=said.append)
    torch.testing.assert_close(module.state_dict()[first], weight)
    assert "takes 3 channels, which are added up to one" in said[0]


def test_a_first_layer_for_gray_images_is_refused_as_asked(state, tmp_path):
    gray = state | {"conv1.weight": state["conv1.weight"].sum(1, keepdim=True)}
    with pytest.raises(DataError, match=r"w\.pth: the first layer .*is spread over 3, which stem='refuse' forbids"):
        loaded(gray, tmp_path / "w.pth", fold_stem=False)
    assert same(loaded(state, tmp_path / "w.pth", fold_stem=False)[0], state)


def test_a_first_layer_for_four_channels_is_refused(state, tmp_path):
    with pytest.raises(DataError, match=r"1 of another shape: conv1\.weight \(32x4x3x3 in the file, 32x3x3x3 in the n"):
        loaded(state | {"conv1.weight": torch.zeros(32, 4, 3, 3)}, tmp_path / "w.pth")


NOT_FINITE = {
    "layer1.0.bn1.running_mean": (float("nan"), "layer1.0.bn1.running_mean (1 NaN of 32)"),
    "layer2.0.bn1.running_var": (float("inf"), "layer2.0.bn1.running_var (1 infinite of 64)"),
    "bn1.running_var": (-1.0, "bn1.running_var (a variance below zero, -1)"),
    "fc.bias": (float("-inf"), "fc.bias (1 infinite of 3)"),
}


@pytest.mark.parametrize(("name", "value", "told"), [(name, *rest) for name, rest in NOT_FINITE.items()])
def test_values_that_are_not_finite_are_named(state, tmp_path, name, value, told):
    with pytest.raises(DataError, match=re.escape(f"holds values that no network can compute with: {told}. The train")):
        loaded(with_value(state, name, value), tmp_path / "w.pth")


def test_values_that_are_finite_only_in_double_precision_are_named(state, tmp_path):
    with pytest.raises(DataError, match=r"fc\.bias \(3 infinite of 3\)"):
        loaded(state | {"fc.bias": torch.full((3,), 1e300, dtype=torch.float64)}, tmp_path / "w.pth")


def test_a_head_that_is_replaced_may_hold_anything_but_numbers_that_train(state, tmp_path):
    """It is named all the same: what diverged there has diverged below."""
    with pytest.raises(DataError, match=r"fc\.bias \(3 NaN of 3\)"):
        loaded(state | {"fc.bias": torch.full((3,), torch.nan)}, tmp_path / "w.pth", new_head=True)


def test_what_fits_another_network_is_said_after_prefixes_were_taken_off(tmp_path):
    state = before("encoder.", zoo.network("small_convnet").state_dict())
    with pytest.raises(DataError, match=r"It fits small_convnet: try backbone='small_convnet'\."):
        loaded(state, tmp_path / "w.pth")


# Other files


@pytest.mark.parametrize(("content", "told"), OTHER_FILES.values(), ids=OTHER_FILES)
def test_another_file_is_named_for_what_it_is(tmp_path, content, told):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"holds no weights that convlens reads: it is {told}") as refusal:
        zoo.network("house", weights=path)
    assert "weights_only" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("net.pb", "a TensorFlow graph"),
        ("net.data-00000-of-00001", "part of a Ten"),
    ],
)
def test_files_without_a_sign_of_their_own_are_named_by_their_suffix(tmp_path, name, told):
    path = tmp_path / name
    path.write_bytes(bytes(range(200, 256)) * 50)
    with pytest.raises(DataError, match=f"it is {told}"):
        zoo.network("house", weights=path)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_torchscript_archive_is_named(tmp_path):
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "net.pt"))
    with pytest.raises(DataError, match="it is a TorchScript archive") as refusal:
        zoo.network("house", weights=tmp_path / "net.pt")
    assert "weights_only" not in str(refusal.value)


def test_folders_are_named(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(UsageError, match=r"it is a folder\. Name the file inside: model\.safetensors"):
        zoo.network("house", weights=tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(DataError, match="it is a SavedModel of TensorFlow"):
        zoo.network("house", weights=tmp_path)


def test_safetensors_are_read_under_any_suffix(state, tmp_path):
    (tmp_path / "w.pth").write_bytes(safetensors.torch.save(state))
    assert same(zoo.network("house", weights=tmp_path / "w.pth"), state)


@pytest.mark.parametrize("content", [{"state_dict": {}, "trainer": Trainer()}, Trainer()])
def test_objects_of_other_classes_are_refused_by_name_without_advice_that_runs_them(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(IntegrityError, match=r"it holds the Python object .*Trainer") as refusal:
        zoo.network("house", weights=tmp_path / "w.pth")
    assert "weights_only" not in str(refusal.value)


def test_a_pickle_of_arrays_is_refused(tmp_path):
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"fc.bias": np.zeros(3)}))
    with pytest.raises(IntegrityError, match="it is a Python pickle that") as refusal:
        zoo.network("house", weights=tmp_path / "w.pkl")
    assert "weights_only" not in str(refusal.value)
