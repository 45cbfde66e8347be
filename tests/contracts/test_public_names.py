import ast
import subprocess
import sys
from pathlib import Path

import pytest

import convlens


@pytest.mark.parametrize("name", convlens.__all__)
def test_every_public_name_resolves_and_is_documented(name: str) -> None:
    assert getattr(convlens, name).__doc__


def test_an_unknown_name_is_refused_with_the_public_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'trian'; public names: .*train"):
        convlens.trian  # noqa: B018  # codespell:ignore


def test_names_are_sorted_and_shown() -> None:
    assert convlens.__all__ == sorted(convlens.__all__)
    assert set(convlens.__all__) <= set(dir(convlens))


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(convlens.__file__).read_text())
    (unseen,) = (one for one in tree.body if isinstance(one, ast.If) and ast.unparse(one.test) == "TYPE_CHECKING")
    imports = [one for one in unseen.body if isinstance(one, ast.ImportFrom)]
    assert {one.names[0].name: one.module for one in imports} == convlens._PUBLIC


def test_importing_convlens_imports_nothing_heavy() -> None:
    code = "import sys, convlens; print(sorted({'torch', 'numpy', 'PIL', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
