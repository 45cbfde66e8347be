"""A training that is killed again and again, at any moment, ends with the weights of one that never was.

Processes are forked from one that has everything imported, so that a kill costs a second; tests/cli/test_resume.py
kills the command itself.
"""

import multiprocessing
import os
import random
import time
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from torch import nn

from convlens.tasks.train import train
from tests.images import draw_images
from tests.runs.whole import check_files

KILLS = 20
MOMENTS = 0.1
"""Seconds after a new checkpoint, at most: the time of a few steps, an evaluation and a checkpoint."""


def network() -> nn.Module:
    """Small, so that its checkpoints are; with buffers that change and random numbers that are drawn."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(32, 2),
    )


def trained(folder: Path, out: Path, cache: Path) -> None:
    """What runs in the processes: augmentation, mixing, average, Nesterov; a checkpoint after every step."""
    os.environ["CONVLENS_CACHE"] = str(cache)
    torch.set_num_threads(1)
    train(
        folder,
        backbone=network(),
        freeze="none",
        size=24,
        epochs=200,
        batch_size=8,
        precision="fp32",
        nesterov=True,
        warm_up=1,
        ema=0.9,
        mixup=0.2,
        cutmix=1.0,
        erasing=0.3,
        clip=1.0,
        checkpoint_minutes=0,
        out=out,
    )


@pytest.fixture(scope="module")
def forked() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", __name__])
    return context


def begun(forked: ForkServerContext, *paths: Path) -> BaseProcess:
    process = forked.Process(target=trained, args=paths)
    process.start()
    return process


def checkpoints(run: Path) -> set[str]:
    return {path.name for path in run.with_name(f"{run.name}.unfinished").glob("checkpoints/step-*")}


def test_twenty_kills(forked: ForkServerContext, cache: Path, tmp_path: Path) -> None:
    images, whole, run = draw_images(tmp_path / "images", 16), tmp_path / "whole", tmp_path / "run"
    unbroken = begun(forked, images, whole, cache)
    unbroken.join()
    assert unbroken.exitcode == 0
    moment = random.Random(0)
    for _ in range(KILLS):
        before = checkpoints(run)
        process = begun(forked, images, run, cache)
        while checkpoints(run) <= before:
            assert process.is_alive()
            time.sleep(0.002)
        time.sleep(moment.random() * MOMENTS)
        process.kill()
        process.join()
        assert process.exitcode == -9, "it was killed before it ended"
    last = begun(forked, images, run, cache)
    last.join()
    assert last.exitcode == 0
    check_files(run)
    for file in ("model.safetensors", "model.json", "predictions.csv"):
        assert (run / file).read_bytes() == (whole / file).read_bytes()
