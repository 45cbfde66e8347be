"""On a GPU a training gives what it gives on the processor, but for rounding."""

import json

import pytest
import torch

import convlens
from convlens.core.run import METRICS_FILE
from tests.images import draw_images

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]


@pytest.mark.parametrize("freeze", ["backbone", "layer3", "none"])
def test_a_training(module_cache, tmp_path, freeze):
    images = draw_images(tmp_path / "images", 16)
    losses = {}
    for device in ("cpu", "cuda"):
        run = convlens.train(
            images, freeze=freeze, size=32, epochs=3, precision="fp32", device=device, ema=0.9, out=tmp_path / device
        )
        lines = (tmp_path / device / METRICS_FILE).read_text().splitlines()
        losses[device] = [json.loads(line)["train_loss"] for line in lines]
        assert run.recipe["device"] == device
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=2e-2)


def test_views_and_a_hidden_head(module_cache, tmp_path):
    images = draw_images(tmp_path / "images", 16)
    run = convlens.train(
        images, size=32, epochs=3, head="hidden", dropout=0.2, augmented_copies=1, head_epochs=1, out=tmp_path / "run"
    )
    assert run.recipe["device"] == "cuda"
    assert run.freeze.frozen_unchanged
