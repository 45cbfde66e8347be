"""The library names fields; how the command line spells them is known to cli/ alone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import convlens

ROOT = Path(convlens.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] != "cli")
FLAG = re.compile(r"(?<![\w-])(?<!var\()--[a-z]")
COMMANDS = re.compile(r"torchrun --nproc|pip install --force")
"""Whole commands, to be typed as they stand."""
MAKES_COMMANDS = {"_command", "command", "as_flags", "_flag", "resume_command", "_options"}
"""Functions that spell a command line."""


def texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    """The strings in a file with their lines, but for docstrings and the functions that spell commands."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name in MAKES_COMMANDS:
            continue
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.lineno, child.value
        yield from texts(child)


def flags(source: str) -> list[tuple[int, str]]:
    return [one for one in texts(ast.parse(source)) if FLAG.search(one[1]) and not COMMANDS.search(one[1])]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_messages_name_fields(path):
    assert flags(path.read_text()) == []


def test_a_flag_is_seen():
    assert flags('def f(x):\n    "--help"\n    raise ValueError(f"{x}: give --size.")') == [(3, ": give --size.")]
    assert not flags('style = "var(--grid)"\ndef _command():\n    return "--seeds"')
