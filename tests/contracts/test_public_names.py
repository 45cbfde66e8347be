import ast
import subprocess
import sys
import typing
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


@pytest.mark.parametrize("task", ["predict", "verify", "evaluate"])
def test_asking_a_model_imports_no_compiler(task: str) -> None:
    """torch's own, and sympy with it, take as long as torch."""
    code = (
        f"import sys, convlens.tasks.{task}; print(sorted({{'torch._dynamo', 'sympy', 'sklearn'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("former", "name"), [("check", "check_gradients"), ("check_pictures", "check_images")])
def test_a_former_name_works_and_warns(former: str, name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"convlens.{former} is now called convlens.{name}") as caught:
        assert getattr(convlens, former) is getattr(convlens, name)
    assert caught[0].filename == __file__
    assert former not in convlens.__all__


TASKS = (
    *("audit", "check_images", "collect", "compare", "evaluate", "explain", "extend", "inspect", "predict", "resume"),
    *("suggest", "train"),
)
OF_GRAPHS = ("backpropagate", "check_gradients", "cost", "receptive_field", "split")


@pytest.mark.parametrize("name", [*TASKS, *OF_GRAPHS])
def test_what_a_public_function_returns_is_public(name: str) -> None:
    returned = typing.get_type_hints(getattr(convlens, name))["return"]
    assert getattr(convlens, returned.__name__) is returned
