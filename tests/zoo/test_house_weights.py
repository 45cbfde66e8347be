"""The weights in the package and the card beside them."""

import hashlib
import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from safetensors.torch import load_file

import convlens
from convlens import zoo

WEIGHTS = Path(convlens.__file__).parent / "zoo" / "weights"
FILE = WEIGHTS / "house.safetensors"


@pytest.fixture(scope="module")
def card() -> Any:
    return json.loads((WEIGHTS / "house.json").read_text())


def test_the_card_is_of_this_file(card: Any) -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == card["sha256"]
    assert FILE.stat().st_size <= 6 * 2**20


def test_the_file_has_what_the_card_says(card: Any) -> None:
    parameters = sum(one.numel() for one in zoo.network("house").parameters())
    assert f"half precision, {parameters:,} parameters" in card["file"]
    assert {str(one.dtype) for one in load_file(FILE).values()} == {"torch.float16", "torch.int64"}


def test_the_accuracies_fit_together(card: Any) -> None:
    by_class = card["top1_percent_by_class"]
    assert len(by_class) == 200
    assert fmean(by_class.values()) == pytest.approx(card["top1_percent"]["at 64 pixels"], abs=0.01)
    assert card["curve"][-1]["val_accuracy"] == pytest.approx(card["top1_percent"]["at 64 pixels"] / 100, abs=0.005)
    assert card["top1_percent"]["at 64 pixels"] >= 45


def test_the_command_can_be_given_anywhere(card: Any) -> None:
    assert card["command"].startswith("convlens train tiny-imagenet-200 --backbone house")
    assert "/" not in card["command"]
