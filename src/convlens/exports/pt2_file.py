"""PT2: torch.export's own archive, answered by torch without convlens; its program, or machine code made of it.

torch.export.load unpickles some parts of an archive without limits and compiles the text of others, so that opening
one means to trust whoever made it.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from convlens.core.errors import DataError
from convlens.core.exported import ExportCard
from convlens.exports.compiled_pt2 import CompiledPt2Runner, compile_program, is_compiled
from convlens.exports.file import CARD_KEY, Format, Runner, card_in, quiet_exporter


class Pt2Runner(Runner):
    """torch, running the program of the archive."""

    def __init__(self, path: Path) -> None:
        extra = {CARD_KEY: ""}
        try:
            with quiet_exporter():
                program = torch.export.load(path, extra_files=extra)
        except Exception as error:  # a zip, JSON and the program's own checks each raise their kinds
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise DataError(f"{path} is not a PT2 archive that torch can open: {reason}") from error
        self.runtime = f"torch {torch.__version__}"
        self.card = card_in(extra[CARD_KEY], path)
        self._module = program.module()

    def outputs(self, inputs: Tensor) -> Sequence[Tensor]:
        """The answers, and a second output."""
        with torch.no_grad():
            given = self._module(inputs)
        return [given] if isinstance(given, Tensor) else given


class Pt2(Format):
    """One archive with weights, for torch.export.load in Python; or compiled, for torch and C++ on such a processor."""

    suffix = ".pt2"
    can_run_code = True

    def __init__(self, *, compiled: bool = False) -> None:
        self._compiled = compiled

    def write(self, program: ExportedProgram, card: ExportCard, path: Path) -> None:
        """Write the archive."""
        if self._compiled:
            compile_program(program, card, path)
            return
        with quiet_exporter():
            torch.export.save(program, path, extra_files={CARD_KEY: card.to_json()})

    def open(self, path: Path) -> Runner:
        """The program in torch, or its machine code."""
        return CompiledPt2Runner(path) if is_compiled(path) else Pt2Runner(path)
