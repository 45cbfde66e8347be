"""Wrong use: one clear sentence with the next step on standard error, nothing on standard output, the right code."""

import pickle

import pytest
import safetensors.torch
import torch

from convlens import zoo
from tests.images import TINY_OPTIONS, draw, draw_images


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_images(tmp_path_factory.mktemp("wrong") / "images")


def refused(outcome, code, *parts):
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    message = outcome.err.splitlines()[-1]
    assert message.startswith("convlens: ")
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["trian", "x"], ["no such command 'trian'", "Did you mean 'train'?", "convlens --help"]),  # codespell:ignore
        (["train"], ["missing argument 'DIR'", "convlens train --help"]),
        (["train", "x", "--epoch", "2"], ["no such option: --epoch", "--epochs", "convlens train --help"]),
        (["train", "x", "--epochs", "many"], ["invalid value for '--epochs'", "convlens train --help"]),
        (["train", "x", "y"], ["unexpected extra argument", "convlens train --help"]),
        (["predict", "run"], ["missing argument 'IMAGE|DIR...'", "convlens predict --help"]),
        (["--debgu"], ["no such option: --debgu", "--debug"]),
    ],
)
def test_words_that_are_no_command(convlens, words, parts):
    refused(convlens(*words), 2, *parts)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--backbone", "resnet19"], ["'resnet19'", "did you mean resnet18", "Accepted: alexnet"]),
        (["--backbone", "huose"], ["did you mean house"]),
        (["--precision", "fp16"], ["'fp16'", "did you mean bf16?", "Accepted: auto, fp32, bf16"]),
        (["--device", "gpu"], ["'gpu'", "Accepted: auto, cpu, cuda"]),
        (["--freeze", "bakcbone"], ["'bakcbone'", "did you mean backbone?"]),
        (["--freeze", "layer9"], ["'layer9'", "did you mean layer", "Accepted: backbone, conv, none"]),
        (["--epochs", "0"], ["--epochs 0", "1"]),
        (["--batch-size", "0"], ["--batch-size 0", "1"]),
        (["--learning-rate", "-1"], ["--learning-rate -1", "0"]),
        (["--learning-rate", "nan"], ["--learning-rate nan"]),
        (["--learning-rate", "inf"], ["--learning-rate inf"]),
        (["--size", "7"], ["--size 7", "16"]),
        (["--size", "0"], ["--size 0", "16"]),
        (["--val-fraction", "2"], ["--val-fraction 2", "1"]),
        (["--val-fraction", "0"], ["--val-fraction 0", "0"]),
        (["--seed", "-1"], ["--seed -1", "0"]),
        (["--weight-decay", "inf"], ["--weight-decay inf", "finite"]),
        (["--mixup", "nan"], ["--mixup nan", "finite"]),
        (["--checkpoint-minutes", "nan"], ["--checkpoint-minutes nan", "0 or more"]),
        (["--progressive-resizing", "0.1"], ["--progressive-resizing 0.1", "0.25"]),
        (
            ["--progressive-resizing", "0.5"],
            ["--progressive-resizing 0.5", "needs --freeze none", "not --freeze backbone"],
        ),
        (
            ["--progressive-resizing", "0.5", "--freeze", "none", "--no-augment"],
            ["--progressive-resizing 0.5", "not --no-augment"],
        ),
    ],
)
def test_values_that_are_not_accepted(convlens, images, tmp_path, options, parts):
    outcome = convlens("train", images, *TINY_OPTIONS, "--out", tmp_path / "run", *options)
    refused(outcome, 2, *parts)
    assert list(tmp_path.iterdir()) == []


def test_run_folder_that_exists(convlens, images, tmp_path):
    outcome = convlens("train", images, *TINY_OPTIONS, "--out", tmp_path)
    refused(outcome, 2, f"--out {tmp_path} already exists", "Give another name")
    assert list(tmp_path.iterdir()) == []


def test_no_such_folder(convlens, tmp_path):
    refused(convlens("train", tmp_path / "nowhere"), 2, "no such folder", "one subfolder of images per class")


def test_file_in_the_place_of_the_folder(convlens, tmp_path):
    path = draw(tmp_path / "one.png")
    refused(convlens("train", path), 2, "is a file, not a folder")


def test_folder_without_class_folders(convlens, tmp_path):
    draw(tmp_path / "one.png")
    refused(convlens("train", tmp_path), 3, "no class folders", "At least two are needed", "dogs/*.jpg")


def test_one_class_only(convlens, tmp_path):
    folder = draw_images(tmp_path / "images", classes=1)
    refused(convlens("train", folder), 3, "one class folder only, 'blue'", "At least two are needed")


def test_one_class_with_usable_images(convlens, tmp_path):
    folder = draw_images(tmp_path / "images")
    for path in (folder / "green").iterdir():
        path.write_text("no image")
    refused(convlens("train", folder, *TINY_OPTIONS, "--out", tmp_path / "run"), 3, "two classes", "only 'blue'")


@pytest.mark.parametrize(
    ("name", "content", "code", "parts"),
    [
        ("none.pth", None, 2, ["no file of weights at", "none.pth", "Check the path"]),
        ("torn.safetensors", b"\xff" * 100, 3, ["torn.safetensors cannot be read as weights", "download it again"]),
        ("torn.pth", b"PK\x03\x04" + b"\xff" * 100, 3, ["torn.pth is incomplete: it is a zip", "download it again"]),
        ("empty.safetensors", b"", 3, ["holds no weights", "it is an empty file", "Download it again"]),
        ("weights.txt", b"1 2 3", 3, ["holds no weights that convlens reads: it is text, which begins '1 2 3'"]),
    ],
)
def test_weights_that_cannot_be_read(convlens, images, tmp_path, name, content, code, parts):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    outcome = convlens(
        "train", images, "--backbone", "house", "--weights", path, "--size", 32, "--out", tmp_path / "run"
    )
    refused(outcome, code, *parts)


def test_weights_that_do_not_fit(convlens, images, tmp_path):
    state = zoo.network("house", classes=3).state_dict()
    state["surplus.weight"] = torch.zeros(1)
    first = next(iter(state))
    state[first] = torch.zeros(2, 2)
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file(state, path)
    outcome = convlens(
        "train", images, "--backbone", "house", "--weights", path, "--size", 32, "--out", tmp_path / "run"
    )
    refused(outcome, 3, "does not fit house", f"{first} (2x2 in the file, ")
    assert "weights of other.safetensors: left out" in outcome.err
    assert "surplus.weight" in outcome.err


def test_weights_that_would_run_code(convlens, images, tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(_Touch(victim)))
    outcome = convlens(
        "train", images, "--backbone", "house", "--weights", path, "--size", 32, "--out", tmp_path / "run"
    )
    refused(outcome, 6, "refused to open", "can run any code", "safetensors")
    assert not victim.exists()


class _Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))
