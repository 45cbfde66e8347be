"""How a process takes its place among those that torchrun started; what they do together is in tests/cli."""

from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.distributed import HashStore  # type: ignore[attr-defined]

from convlens.core.errors import MachineError
from convlens.training import processes as processes_module
from convlens.training.processes import ALONE, Processes, joined
from convlens.training.rendezvous import Meeting

TORCHRUN = {
    "WORLD_SIZE": "2",
    "RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "1",
    "TORCHELASTIC_RUN_ID": "none",
}


class Met(Meeting):
    """A meeting of which nobody asks anything."""

    def __init__(self) -> None:
        super().__init__(HashStore(), 1, 2)


class Started:
    """The second of two processes on a machine with so many GPUs: which GPU it took, by what it exchanges."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
        self.gpu: int | None = None
        self.backends: list[str | None] = []
        for name, value in TORCHRUN.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(processes_module, "rendezvous", lambda started, say: Met())
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.cuda, "set_device", self._take)
        monkeypatch.setattr(dist, "init_process_group", self._begin)
        monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
        self._gpus = gpus

    def _take(self, number: int) -> None:
        if number >= self._gpus:
            raise RuntimeError("CUDA error: invalid device ordinal")
        self.gpu = number

    def _begin(self, backend: str | None = None, **others: Any) -> None:
        self.backends.append(backend)


def test_alone_without_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cuda") as processes:
        assert processes is ALONE


@pytest.mark.parametrize("left", [{"RANK": "1"}, {"WORLD_SIZE": "2"}, {"RANK": "1", "WORLD_SIZE": "2"}])
def test_alone_with_what_a_cluster_left_behind_and_says_so(
    monkeypatch: pytest.MonkeyPatch, left: dict[str, str]
) -> None:
    for name, value in left.items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    with joined("cpu", said.append) as processes:
        assert processes is ALONE
    (line,) = said
    told = ", ".join(f"{name}={value}" for name, value in left.items())
    assert line == f"the environment has {told}, but torchrun did not start this process: it trains alone"


def test_on_the_processor_no_gpu_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """One GPU, two processes that do not want it."""
    started = Started(monkeypatch, gpus=1)
    with joined("cpu") as processes:
        assert processes == Processes(rank=1, count=2)
    assert (started.gpu, started.backends) == (None, ["gloo"])


def test_each_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, gpus=2)
    with joined("cuda") as processes:
        assert processes == Processes(rank=1, count=2)
    assert (started.gpu, started.backends) == (1, [None])


def test_fewer_gpus_than_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch, gpus=1)
    with pytest.raises(MachineError, match=r"^2 processes .* finds 1\. Start 1, or device='cpu'"), joined("cuda"):
        raise AssertionError("joined")
    assert started.backends == []
