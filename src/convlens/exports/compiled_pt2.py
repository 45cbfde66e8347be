"""Compiled PT2: machine code that AOTInductor makes of a program, for processors like this one."""

import json
import platform
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from convlens.core.errors import DataError, MachineError
from convlens.core.exported import ExportCard
from convlens.core.settings import setting
from convlens.exports.file import CARD_KEY, Runner, card_in, quiet_exporter

_METADATA = ".wrapper_metadata.json"
"""The end of the entry's name, in the archive."""
_MACHINE, _INSTRUCTIONS = "AOTI_MACHINE", "AOTI_CPU_ISA"
_CAPABILITIES = {"avx512": "avx512_f"}
"""Names of sets of instructions in torch.cpu.get_capabilities, where the compiler calls them otherwise."""


class CompiledPt2Runner(Runner):
    """The archive's machine code, run by torch."""

    def __init__(self, path: Path) -> None:
        metadata = _metadata(path)
        self.card = card_in(metadata.get(CARD_KEY), path)
        self.runtime = f"torch {torch.__version__}, compiled for {_processors(metadata)}"
        _refuse_other_processor(metadata, path)
        try:
            self._model = torch._inductor.aoti_load_package(str(path))
        except RuntimeError as error:
            raise DataError(f"{path} is not a compiled model that torch can open: {_first_line(error)}") from error

    def outputs(self, inputs: Tensor) -> Sequence[Tensor]:
        """The answers, and a second output."""
        given = self._model(inputs)
        return [given] if isinstance(given, Tensor) else given


def is_compiled(path: Path) -> bool:
    """Whether that is an archive with machine code."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(_METADATA) for name in archive.namelist())


def compile_program(program: ExportedProgram, card: ExportCard, path: Path) -> None:
    """Write the archive; takes a minute. Raises MachineError where there is no C++ compiler, or it cannot do it."""
    # Imported here, for their import takes seconds, which whoever opens other files need not wait for.
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InductorError, InvalidCxxCompiler

    settings = {
        "aot_inductor.metadata": {CARD_KEY: card.to_json()},
        "cpp.march": "",
    }  # no more than the set named above
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise MachineError(
            "torch finds no C++ compiler that works. Install g++ (on Debian: apt-get install g++), or name another one "
            "in the variable CXX."
        ) from error
    try:
        with quiet_exporter(), torch.no_grad():
            torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=settings)
    except InductorError as error:
        raise MachineError(
            f"torch cannot compile {card.network}: {_first_line(error)}. Leave {setting('compiled', True)} out."
        ) from error


def _metadata(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        name = next(one for one in archive.namelist() if one.endswith(_METADATA))
        found: dict[str, str] = json.loads(archive.read(name))
    return found


def _processors(metadata: Mapping[str, str]) -> str:
    """Those that an archive was compiled for: "x86_64 with AVX2"."""
    return f"{metadata[_MACHINE]} with {metadata[_INSTRUCTIONS]}"


def _refuse_other_processor(metadata: Mapping[str, str], path: Path) -> None:
    """Raises MachineError where this processor lacks instructions: running them would end the process."""
    able = torch.cpu.get_capabilities()
    words = metadata[_INSTRUCTIONS].lower().split()
    if metadata[_MACHINE] != platform.machine() or not all(
        able.get(_CAPABILITIES.get(one, one), True) for one in words
    ):
        raise MachineError(
            f"{path} was compiled for {_processors(metadata)}, which this machine is not. Export the run here, or as "
            "a PT2 archive that is not compiled."
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
