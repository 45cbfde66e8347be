"""Operators behind a cut read channels-last tensors without gradient; a crash must not take the tests with it."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from convlens.graph.capture import capture
from convlens.transfer.kernels import with_safe_inputs


def in_a_process_of_its_own(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.transfer.operators_in_memory", *words],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout[-300:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_no_operator_behind_a_cut_crashes_or_answers_wrongly_for_channels_last_inputs() -> None:
    assert int(in_a_process_of_its_own().splitlines()[-1]) > 300


@pytest.mark.parametrize("kind", ["at once", "after a ReLU", "on the images"])
def test_group_normalization_trains_behind_the_cut(kind: str) -> None:
    in_a_process_of_its_own(kind)


def test_what_has_a_gradient_stays_channels_last() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.GroupNorm(2, 4)).to(memory_format=torch.channels_last)
    graph = with_safe_inputs(capture(module, torch.zeros(2, 3, 8, 8)))
    (added,) = (node for node in graph.operators if node.operator.startswith("transfer."))
    assert graph.by_name["group_norm"].inputs[0] == added.name
    x = torch.rand(2, 4, 8, 8).contiguous(memory_format=torch.channels_last)
    assert added.target(x).is_contiguous()
    differentiated = x.requires_grad_()
    assert added.target(differentiated) is differentiated
