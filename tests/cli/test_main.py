"""The entry point: help without heavy imports, and what becomes of errors and signals."""

import os
import subprocess
import sys

import pytest
import torch

from convlens.cli import main as main_module
from convlens.core.errors import (
    ConvlensError,
    DataError,
    IntegrityError,
    MachineError,
    NetworkError,
    UsageError,
)

HEAVY = ("torch", "numpy", "rich", "pydantic", "PIL", "sklearn", "matplotlib")


@pytest.mark.parametrize(
    "statement",
    [
        "import convlens",
        "import sys; sys.argv = ['convlens', '--help']\nfrom convlens.cli.main import main\n"
        "try: main()\nexcept SystemExit as end: assert end.code in (0, None)",
    ],
)
def test_light_imports(statement):
    check = f"{statement}\nimport sys\nprint('loaded:', [name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


@pytest.mark.parametrize("command", ["train", "compare"])
def test_help_of_the_recipe_loads_no_torch(command):
    code = f"import sys; sys.argv = ['convlens', {command!r}, '--help']\nfrom convlens.cli.main import main\n"
    code += "try: main()\nexcept SystemExit: print('loaded:', sorted({'torch', 'numpy', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_public_names_are_there():
    import convlens

    for _ in range(2):  # importing what one name needs must not change another
        for name in convlens.__all__:
            assert callable(getattr(convlens, name))


def test_name_that_is_not_public():
    import convlens

    with pytest.raises(AttributeError, match="no attribute 'trian'; public names: AuditRecord, Backpropagation, "):
        _ = convlens.trian  # codespell:ignore


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(convlens, option):
    outcome = convlens(option)
    assert (outcome.code, outcome.err) == (0, "")
    for command in main_module.app.registered_commands:
        assert f"\n  {command.name} " in outcome.out


@pytest.mark.parametrize("command", [command.name for command in main_module.app.registered_commands])
def test_help_of_every_command(convlens, command):
    outcome = convlens(command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"Usage: convlens {command}" in outcome.out
    assert "--json" in outcome.out


def test_no_words_at_all_show_the_help(convlens):
    outcome = convlens()
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("Usage: convlens")


def test_version(convlens):
    assert convlens("--version").out.startswith("convlens 0.")


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, 2), (DataError, 3), (MachineError, 4), (NetworkError, 5), (IntegrityError, 6)],
)
def test_exit_codes(convlens, monkeypatch, error, code):
    outcome = _raising(convlens, monkeypatch, error("what, and what next."))
    assert outcome == (code, "", "convlens: what, and what next.\n")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (KeyError("x"), 1, "internal error, KeyError: 'x'. This is a bug in convlens"),
        (MemoryError(), 4, "not enough memory. Close other programs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 4, "not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), 4, "not enough memory"),
        (RuntimeError("CUDA error: out of memory"), 4, "not enough memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), 4, "not enough memory"),
        (PermissionError(13, "Permission denied", "/place"), 4, "no access to /place (Permission denied)"),
    ],
)
def test_errors_from_elsewhere(convlens, monkeypatch, error, code, text):
    outcome = _raising(convlens, monkeypatch, error)
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith(f"convlens: {text}")
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(("given", "then"), [(None, "passive"), ("active", "active")])
def test_threads_do_not_spin_unless_asked_to(convlens, monkeypatch, given, then):
    monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    convlens("--version")
    assert os.environ["OMP_WAIT_POLICY"] == then


def test_debug_shows_where_an_error_came_from(convlens, monkeypatch):
    with pytest.raises(ConvlensError, match="here"):
        _raising(convlens, monkeypatch, ConvlensError("here"), "--debug")


def _raising(convlens, monkeypatch, error, *words):
    def app(standalone_mode):
        raise error

    monkeypatch.setattr(main_module, "app", app)
    return convlens(*words)
