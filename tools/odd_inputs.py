"""Tries every odd input and prints one line for each: met, or refused with its sentence.

Of files and folders the line holds what the command says beyond what it says of every ordinary input; of modules what
was found of them. A traceback, an internal error or a gradient that is not autograd's is a fault, and makes the exit
status 1. With names as arguments only those inputs are tried.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tools.odd_images import ODD_IMAGES
from tools.odd_input import OddInput, check, classes, train
from tools.odd_layouts import ODD_LAYOUTS
from tools.odd_modules import ODD_MODULES, OddModule, tried
from tools.odd_tables import ODD_TABLES
from tools.odd_weights import ODD_WEIGHTS

from convlens.cli.main import main

KINDS = {"layouts": ODD_LAYOUTS, "tables": ODD_TABLES, "images": ODD_IMAGES, "weights": ODD_WEIGHTS}
_FAULTS = ("internal error", "Traceback (most recent call last)")


class _Outcome(NamedTuple):
    code: int
    lines: list[str]
    """What was said beside the result, on standard error."""
    faults: list[str]


def _tried(one: OddInput) -> _Outcome:
    """What the command says of an input that is made in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = one.build(Path(folder))
        code, out, err = _run(words)
        lines = [line.replace(f"{folder}/", "").removeprefix("convlens: ") for line in err.splitlines()]
    return _Outcome(code, lines, [fault for fault in _FAULTS if fault in out + err])


def _run(words: list[str]) -> tuple[int, str, str]:
    """The exit status, standard output and standard error of a command, which is run in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    given, sys.argv = sys.argv, ["convlens", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    finally:
        sys.argv = given
    for stream in (out, err):
        stream.flush()
    return code, *(stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]


def _usual() -> set[str]:
    """What is said of ordinary images."""
    said = []
    for words in (train, check):

        def build(folder: Path, words: Callable[[Path], list[str]] = words) -> list[str]:
            classes(folder / "images")
            return words(folder / "images")

        said += _tried(OddInput("ordinary", build)).lines
    return {_form(line) for line in said}


def _form(line: str) -> str:
    """A line with its numbers and names of files taken out."""
    return re.sub(r"\d+(\.\d+)?", "#", line.split(":")[0])


def _module_tried(one: OddModule) -> tuple[str, str]:
    """Verdict and sentence."""
    try:
        met, said = tried(one)
    except Exception as fault:  # whatever it is, it is what is looked for
        return "FAULT", f"{type(fault).__name__}: {fault}"
    return "met" if met else "refused", said


def _asked(names: list[str]) -> Iterator[tuple[str, OddInput]]:
    for kind, inputs in KINDS.items():
        for one in inputs:
            if not names or one.name in names:
                yield kind, one


def run(names: list[str]) -> int:
    """Try the inputs of these names, or all; the exit status."""
    usual = _usual()
    counts = {"met": 0, "refused": 0, "FAULT": 0}
    for kind, one in _asked(names):
        outcome = _tried(one)
        verdict = "FAULT" if outcome.faults else "refused" if outcome.code else "met"
        counts[verdict] += 1
        said = [line.strip() for line in outcome.lines if _form(line) not in usual]
        print(f"{verdict:8} {kind:8} {one.name}: {' / '.join(said)}", flush=True)
    for module in ODD_MODULES:
        if not names or module.name in names:
            verdict, sentence = _module_tried(module)
            counts[verdict] += 1
            print(f"{verdict:8} {'modules':8} {module.name}: {sentence}", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return int(bool(counts["FAULT"] or not sum(counts.values())))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CONVLENS_CACHE"] = cache
        sys.exit(run(sys.argv[1:]))
