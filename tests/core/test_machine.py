"""What the system says of a machine, where it says it and where it does not."""

import errno
import os
from pathlib import Path

import pytest

from convlens.core import machine


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Control groups of this process: the text of each file is what a test writes."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "_MEMBERSHIP", tmp_path / "membership")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_this_machine():
    assert 1 <= machine.usable_cores() <= machine.cores()
    assert 0 < machine.available_memory() <= machine.memory()


def test_limits_of_the_second_version(groups):
    write(groups / "membership", "0::/job/5\n")
    write(groups / "cgroup/job/5/cpu.max", "150000 100000\n")
    write(groups / "cgroup/job/5/memory.max", "2000000000\n")
    assert (machine.core_limit(), machine.memory_limit()) == (1.5, 2_000_000_000)
    for name in ("cpu.max", "memory.max"):
        write(groups / "cgroup/job/5" / name, "max 100000\n" if name == "cpu.max" else "max\n")
    assert (machine.core_limit(), machine.memory_limit()) == (None, None)


def test_limits_that_a_container_sees_at_the_root(groups):
    write(groups / "membership", "0::/not/visible/here\n")
    write(groups / "cgroup/cpu.max", "200000 100000\n")
    assert machine.core_limit() == 2


def test_limits_of_the_first_version(groups):
    write(groups / "membership", "4:memory:/job\n1:cpu,cpuacct:/job\n")
    write(groups / "cgroup/cpu/job/cpu.cfs_quota_us", "50000\n")
    write(groups / "cgroup/cpu/job/cpu.cfs_period_us", "100000\n")
    write(groups / "cgroup/memory/job/memory.limit_in_bytes", "1000000\n")
    assert (machine.core_limit(), machine.memory_limit()) == (0.5, 1_000_000)
    write(groups / "cgroup/cpu/job/cpu.cfs_quota_us", "-1\n")
    write(groups / "cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n")
    assert (machine.core_limit(), machine.memory_limit()) == (None, None)


def test_nothing_is_said(groups, monkeypatch):
    monkeypatch.setattr(machine, "_MEMORY", groups / "none")
    monkeypatch.delattr(os, "sched_getaffinity")
    assert (machine.core_limit(), machine.memory_limit(), machine.memory()) == (None, None, None)
    assert (machine.available_memory(), machine.usable_cores()) == (None, None)


def test_trying_to_write_leaves_nothing(tmp_path):
    assert machine.write_refusal(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_why_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    assert machine.write_refusal(tmp_path / "file").errno == errno.ENOTDIR

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert machine.write_refusal(tmp_path).errno == errno.ENOSPC


def test_bytes_below(tmp_path):
    write(tmp_path / "a/b/c", "four")
    write(tmp_path / "a/d", "five!")
    (tmp_path / "a/link").symlink_to("/usr/bin/env")
    assert machine.bytes_below(tmp_path) == 9 + len("/usr/bin/env")
