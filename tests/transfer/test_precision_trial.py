"""Which number format wins a trial, what is remembered of it, and that the network stays as it was."""

import itertools

import pytest
import torch
from torch import nn

from convlens.core.cache_layout import TRIALS
from convlens.core.preprocessing import Preprocessing
from convlens.graph.identity import digest_of
from convlens.transfer.networks import cut_network
from convlens.transfer.precision_trial import (
    Contest,
    compared,
    frozen_contest,
    remembered,
    trained_contest,
    tried,
)


class Times:
    """A clock by which each work takes the seconds that are listed for it, the first (untimed) time included."""

    def __init__(self, fp32: list[float], bf16: list[float]) -> None:
        self.now = 0.0
        self.calls: list[str] = []
        self.left = {"fp32": iter([0.0, *fp32]), "bf16": iter([0.0, *bf16])}

    def work(self, precision: str):
        def one():
            self.calls.append(precision)
            self.now += next(self.left[precision])

        return one

    def compared(self):
        return compared({one: self.work(one) for one in ("fp32", "bf16")}, lambda: self.now)


@pytest.mark.parametrize(
    ("fp32", "bf16", "chosen", "timed"),
    [
        ([2, 2, 2], [1, 1, 1], "bf16", 3),
        ([1], [20], "fp32", 1),
        ([2, 2, 2], [1, 1, 40], "fp32", 3),
        ([2], [2], "fp32", 1),
    ],
)
def test_bfloat16_has_to_win_every_time_and_a_loss_ends_the_trial(fp32, bf16, chosen, timed):
    times = Times(fp32, bf16)
    found = times.compared()
    assert found.chosen == chosen
    assert (found.fp32_seconds, found.bf16_seconds) == (fp32, bf16)
    assert times.calls == ["fp32", "bf16"] * (1 + timed)


def test_what_bfloat16_lacks_decides_for_float32_and_what_float32_lacks_is_an_error():
    def missing():
        raise NotImplementedError("\"avg_pool3d_out_frame\" not implemented for 'BFloat16'")

    found = compared({"fp32": lambda: None, "bf16": missing})
    assert found.chosen == "fp32"
    assert "avg_pool3d" in found.unsupported
    with pytest.raises(NotImplementedError):
        compared({"fp32": missing, "bf16": lambda: None})


def contest_between(key: str, *, fast: bool) -> Contest:
    clock = itertools.count()
    return Contest(key=key, work={"fp32": lambda: spin(not fast, clock), "bf16": lambda: spin(fast, clock)})


def spin(fast: bool, clock) -> None:
    for _ in range(10 if fast else 200_000):
        next(clock)


def test_a_trial_is_remembered_and_damage_is_as_good_as_none(tmp_path):
    contest = contest_between("k", fast=True)
    assert remembered(contest, tmp_path) is None
    assert tried(contest, tmp_path) == "bf16"
    assert remembered(contest, tmp_path) == "bf16"
    assert tried(contest_between("k", fast=False), tmp_path) == "bf16", "another process was faster"
    assert remembered(contest_between("other", fast=True), tmp_path) is None
    (tmp_path / TRIALS / "k.json").write_bytes(b"\xff{")
    assert remembered(contest, tmp_path) is None


@pytest.fixture(scope="module")
def cut():
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)),
        *(nn.Dropout2d(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
    )
    return cut_network(module, "2", "8", torch.zeros(2, 3, 16, 16))


def test_trials_leave_weights_buffers_gradients_and_random_numbers_as_they_were(cut):
    before = digest_of(cut.module.state_dict().values())
    random = torch.get_rng_state()
    for contest in (
        frozen_contest(cut.prefix, Preprocessing(size=16, resize=16)),
        trained_contest(cut.training.suffix, 4),
    ):
        assert len(compared(contest.work).fp32_seconds) >= 1
    assert digest_of(cut.module.state_dict().values()) == before
    assert all(parameter.grad is None for parameter in cut.module.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_another_batch_size_another_part_and_other_layers_are_other_contests(cut, monkeypatch):
    torch.manual_seed(0)
    keys = [trained_contest(cut.training.suffix, size).key for size in (4, 8)]
    keys.append(frozen_contest(cut.prefix, Preprocessing(size=16, resize=16)).key)
    keys.append(frozen_contest(cut.prefix, Preprocessing(size=32, resize=32)).key)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    keys.append(trained_contest(cut.training.suffix, 4).key)
    assert len(set(keys)) == 5
