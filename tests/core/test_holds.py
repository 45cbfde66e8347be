"""Holds: shared while something is used, alone while it is removed, and never on what a name no longer means."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from convlens.core import holds
from convlens.core.holds import GONE, IN_USE, NO_LOCKS, claimed, held, hold_for_good


@pytest.fixture(params=["folder", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "place"
    if request.param == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"content")
    return path


def refusal(path: Path) -> str:
    with claimed(path) as reason:
        return reason


def test_a_hold_refuses_a_claim_until_it_is_released(place):
    first, second = held(place), held(place)
    assert refusal(place) == IN_USE
    first.release()
    assert refusal(place) == IN_USE
    second.release()
    assert refusal(place) == ""


def test_a_hold_ends_with_its_object(place):
    hold = held(place)
    assert hold is not None
    del hold
    assert refusal(place) == ""


def test_nothing_there(tmp_path):
    assert held(tmp_path / "none") is None
    assert not hold_for_good(tmp_path / "none")
    assert refusal(tmp_path / "none") == GONE


def test_a_hold_waits_for_a_claim_and_notices_what_it_did(place):
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(held(place)))
    with claimed(place) as reason:
        assert reason == ""
        waiting.start()
        time.sleep(0.05)
        assert found == []
        place.rename(place.with_name("removed"))
    waiting.join(timeout=10)
    assert found == [None]


def test_a_name_that_means_something_else_by_now_is_locked_anew(place, monkeypatch):
    locked, replaced = holds._locked, []

    def after_another_took_the_name(descriptor: int, operation: int) -> str:
        if not replaced:
            replaced.append(place.rename(place.with_name("before")))
            place.mkdir()
        return locked(descriptor, operation)

    monkeypatch.setattr(holds, "_locked", after_another_took_the_name)
    hold = held(place)
    assert hold is not None
    assert refusal(place) == IN_USE
    assert refusal(place.with_name("before")) == ""


def test_a_killed_process_holds_nothing(place):
    code = f"from convlens.core.holds import held; from pathlib import Path; h = held(Path({str(place)!r})); input()"
    with subprocess.Popen(
        [sys.executable, "-c", f"{code.replace('input()', 'print(1, flush=True); input()')}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        running.stdout.readline()
        assert refusal(place) == IN_USE
        running.kill()
    assert refusal(place) == ""


def test_a_disk_without_locks_lets_one_read_and_not_remove(place, monkeypatch):
    def refused(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    assert held(place) is not None
    assert refusal(place) == NO_LOCKS


def test_a_link_is_not_claimed(place):
    link = place.with_name("link")
    link.symlink_to(place)
    with pytest.raises(OSError, match="symbolic links"):
        refusal(link)


def test_use_is_marked(place):
    os.utime(place, (1e9, 1e9))
    held(place)
    assert time.time() - place.stat().st_mtime < 60


def test_a_folder_that_may_only_be_read_is_held(tmp_path, monkeypatch):
    def refused(path: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refused)
    hold = held(tmp_path)
    assert hold is not None
    assert refusal(tmp_path) == IN_USE
