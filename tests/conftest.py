"""For every test: a cache of its own, which starts with the graphs that earlier tests captured."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from convlens.cli.main import main

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as main does, and for the same reason; torch reads it when loaded
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core for each of the processes that share the machine


@pytest.fixture(scope="session")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captured graphs, kept from test to test: capturing takes longer than all the rest of a tiny run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "captured"  # of all processes
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def new_cache(folder: Path, captured: Path) -> Iterator[Path]:
    """Makes `folder` the cache: its store is empty, its graphs are those captured so far."""
    _link_files(captured, folder / "graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVLENS_CACHE", str(folder))
        yield folder
    _link_files(folder / "graphs", captured)


def _link_files(source: Path, target: Path) -> None:
    """The files of one folder in another one too; entries are replaced by renaming, so that links stay apart."""
    target.mkdir(exist_ok=True)
    there = {path.name for path in target.iterdir()}
    for path in source.glob("*.json"):
        if path.name not in there:
            with contextlib.suppress(FileExistsError):  # another process was first
                (target / path.name).hardlink_to(path)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, captured: Path) -> Iterator[Path]:
    """The cache folder of this test."""
    with new_cache(tmp_path_factory.mktemp("cache"), captured) as folder:
        yield folder


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory: pytest.TempPathFactory, captured: Path) -> Iterator[Path]:
    """The cache folder of what is made once for all tests of a module, while it is being made."""
    with new_cache(tmp_path_factory.mktemp("module-cache"), captured) as folder:
        yield folder


class Outcome(NamedTuple):
    """What a command gave back to the shell."""

    code: int
    out: str
    err: str


@pytest.fixture
def convlens(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Runs a `convlens` command within this process."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["convlens", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            main()
        return Outcome(exited.value.code or 0, *capsys.readouterr())

    return run
