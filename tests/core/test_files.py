import errno
import hashlib
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from convlens.core import files
from convlens.core.errors import MachineError
from convlens.core.files import cache_folder, remove_stale_temporaries, sha256_of, write_atomically


def test_write_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, "grün")
    assert path.read_bytes() == "grün".encode()
    write_atomically(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "broken disk")])
def test_what_fails_leaves_the_old_file_whole(tmp_path, monkeypatch, moment, error):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(*((os, "fsync") if moment == "fsync" else (Path, "replace")), fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "no space left on the disk that holds {place}. Free some space, or use another location: out"),
        (errno.EDQUOT, "no space left on the disk that holds {place}. Free some space"),
        (errno.EROFS, "no access to {place} (Read-only file system). Change its permissions, or use another location"),
        (errno.EACCES, "no access to {place} (Permission denied)."),
        (errno.EFBIG, "a file in {place} would be larger than this system allows. Raise the limit (see `ulimit -f`)"),
    ],
)
def test_what_the_disk_refuses(tmp_path, monkeypatch, number, text):
    def refuse(file):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(MachineError) as caught:
        write_atomically(tmp_path / "file", b"content")
    assert str(caught.value).startswith(text.format(place=tmp_path))
    assert "CONVLENS_CACHE" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_limit_of_file_sizes(tmp_path):
    """The real limit: the system sends SIGXFSZ, which Python ignores, and refuses the write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        with pytest.raises(MachineError, match="larger than this system allows"):
            write_atomically(tmp_path / "file", bytes(2**20 + 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_file_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "inner", tmp_path / "file" / "deep" / "inner"):
        with pytest.raises(MachineError, match=r"no access to .*file"):
            write_atomically(path, b"")


def test_only_old_temporaries_are_removed(tmp_path):
    old, new, other = (tmp_path / name for name in (".tmp-old", ".tmp-new", "old"))
    for path in (old, new, other):
        path.touch()
    two_days_ago = time.time() - 2 * 24 * 3600
    for path in (old, other):
        os.utime(path, (two_days_ago, two_days_ago))
    remove_stale_temporaries(tmp_path)
    assert set(tmp_path.iterdir()) == {new, other}


def test_sha256(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 10**6)
    assert sha256_of(path) == hashlib.sha256(b"abc" * 10**6).hexdigest()


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"CONVLENS_CACHE": "/chosen", "XDG_CACHE_HOME": "/xdg"}, Path("/chosen")),
        ({"CONVLENS_CACHE": "~/mine"}, Path.home() / "mine"),
        ({"CONVLENS_CACHE": "", "XDG_CACHE_HOME": "/xdg"}, Path("/xdg/convlens")),
        ({}, Path.home() / ".cache" / "convlens"),
    ],
)
def test_cache_folder(monkeypatch, variables, folder):
    for name in ("CONVLENS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == folder


def test_other_errors_of_the_system_are_not_renamed():
    assert files.disk_error(OSError(errno.EIO, "broken disk"), Path()) is None
