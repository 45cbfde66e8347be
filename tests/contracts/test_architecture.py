"""The import table of the design, held by parsing the imports of every file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import convlens

ROOT = Path(convlens.__file__).parent

IMPORTS: dict[str, set[str]] = {
    "core": set(),
    "layers": set(),
    "ops": {"core"},
    "data": {"core"},
    "embeddings": {"core"},
    "trust": {"core", "embeddings"},
    "training": {"core", "trust"},
    "zoo": {"core", "layers"},
    "report": {"core"},
    "graph": {"core", "ops"},
    "gradient": {"core", "ops", "graph"},
    "transfer": {"core", "data", "training", "graph"},
    "explanation": {"core", "ops", "graph", "gradient"},
    "backbones": {"core", "zoo", "graph", "transfer"},
    "runs": {"core", "data", "trust", "training", "zoo", "report"},
    "pipeline": {"core", "data", "embeddings", "trust", "training", "zoo", "graph", "transfer", "backbones", "runs"},
    "exports": {"core", "data", "trust", "training", "transfer", "report", "runs"},
    "service": {
        *("core", "data", "training", "zoo", "report", "graph", "transfer", "explanation", "pipeline", "exports"),
    },
    "comparison": {"core", "data", "training", "transfer", "backbones", "pipeline"},
    "tasks": {
        *("core", "data", "trust", "training", "zoo", "report", "graph", "transfer", "explanation", "backbones"),
        *("runs", "pipeline", "exports", "service", "comparison", "embeddings"),
    },
    "studies": {
        *("core", "data", "layers", "training", "zoo", "report", "graph", "gradient", "backbones", "pipeline", "tasks"),
    },
    "cli": {"core", "training", "comparison", "report", "tasks", "studies"},
}
"""Folder -> the other folders of ours that its files import: these and no others, from the ground up."""

WITHOUT_TORCH = {"core", "report", "cli"}
IMPORTS_INSIDE_FUNCTIONS = {"cli", "tasks", "backbones", "pipeline", "exports"}
"""For a quick start, and for extras."""
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT)


def folder_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield str(node.module)


def ours(names: Iterator[str]) -> set[str]:
    """Folders of ours among imported modules; `import convlens` itself is the root, which imports nothing."""
    return {name.split(".")[1] for name in names if name.startswith("convlens.")}


def test_every_folder_is_in_the_table() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(IMPORTS)
    assert len(FILES) > 30


@pytest.mark.parametrize("folder", IMPORTS)
def test_the_table_allows_nothing_that_is_not_used(folder: str) -> None:
    trees = [ast.parse(path.read_text()) for path in FILES if folder_of(path) == folder]
    assert set().union(*(ours(imported(tree)) for tree in trees)) - {folder} == IMPORTS[folder]


def test_folders_import_from_floors_below() -> None:
    floors = list(IMPORTS)
    for folder, others in IMPORTS.items():
        assert all(floors.index(other) < floors.index(folder) for other in others)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_follow_the_table(path: Path) -> None:
    folder = folder_of(path)
    tree = ast.parse(path.read_text())
    assert ours(imported(tree)) <= IMPORTS[folder] | {folder}
    if folder in WITHOUT_TORCH:
        assert not {name.split(".")[0] for name in imported(tree)} & {"torch", "kornia", "sklearn"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_stand_at_the_top(path: Path) -> None:
    if folder_of(path) in IMPORTS_INSIDE_FUNCTIONS:
        return
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert not [name for function in functions for name in imported(function)]


def test_the_table_has_no_cycle() -> None:
    done: set[str] = set()
    while remaining := set(IMPORTS) - done:
        free = {folder for folder in remaining if IMPORTS[folder] <= done}
        assert free, f"a cycle among {remaining}"
        done |= free


def test_a_forbidden_import_is_seen() -> None:
    tree = ast.parse("from convlens.zoo import network\nimport convlens.training.loop")
    assert ours(imported(tree)) == {"zoo", "training"}
    assert not ours(imported(tree)) <= IMPORTS["graph"]
