"""Compiled PT2 archives: machine code that answers as the run does, only on processors that can run it."""

import json
import platform
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._inductor import config

from convlens.core.errors import DataError, MachineError, UsageError
from convlens.core.exported import ExportCard
from convlens.core.preprocessing import Preprocessing
from convlens.exports.compiled_pt2 import is_compiled
from convlens.exports.formats import opened
from convlens.exports.proof import asked
from convlens.tasks.export import export
from convlens.tasks.train import train
from convlens.tasks.verify import verify
from tests.stripes import HOUSE, striped_images


def archive(path: Path, *, machine: str = platform.machine(), instructions: str = "") -> Path:
    """With what is said of the code, and none that can run."""
    preprocessing = Preprocessing(size=64, resize=64)
    card = ExportCard(
        convlens="0",
        network="house",
        whole=True,
        task="classification",
        classes=["a", "b"],
        preprocessing=preprocessing,
        weights_sha256="0",
        weights_license=None,
        scale=None,
        golden=[],
    )
    metadata = {"convlens": card.to_json(), "AOTI_MACHINE": machine, "AOTI_CPU_ISA": instructions}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model/data/aotinductor/model/code.wrapper_metadata.json", json.dumps(metadata))
    return path


@pytest.mark.parametrize("lacking", [{"machine": "vax"}, {"instructions": "AVX2 AMX_TILE"}])
def test_code_for_other_processors_is_not_run(tmp_path: Path, lacking: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_tile": False})
    file = archive(tmp_path / "model.pt2", **lacking)
    with pytest.raises(
        MachineError, match=f"compiled for .*{next(iter(lacking.values())).split()[-1]}.*Export the run"
    ):
        verify(file, trust=True)


def test_code_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a compiled model"):
        verify(archive(tmp_path / "model.pt2"), trust=True)


def test_without_a_compiler_nothing_is_left(tmp_path: Path, module_cache: Path) -> None:
    with config.patch({"cpp.cxx": (None, str(tmp_path / "none"))}), pytest.raises(MachineError, match="Install g"):
        export("house", to="pt2", compiled=True, out=tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


def test_other_formats_are_not_compiled(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"compiled.*is for.*pt2"):
        export("house", to="onnx", compiled=True, out=tmp_path / "model.onnx")


@pytest.mark.slow
def test_machine_code_answers_as_the_run_does(tmp_path: Path) -> None:
    train(striped_images(tmp_path / "images"), out=tmp_path / "run", **HOUSE)
    plain = export(tmp_path / "run", to="pt2", out=tmp_path / "plain.pt2")
    record = export(tmp_path / "run", to="pt2", compiled=True, out=tmp_path / "compiled.pt2")
    assert record.golden.proved
    assert record.validation is not None
    assert record.validation.float32.proved
    assert f"compiled for {platform.machine()} with " in record.runtime
    assert is_compiled(Path(record.file))
    assert not is_compiled(Path(plain.file))
    runners = [opened(Path(one.file), trust=True) for one in (plain, record)]
    for height, width in [(40, 90), (257, 31), (64, 64)]:
        pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected, got = (asked(runner, pixels) for runner in runners)
        torch.testing.assert_close(got.answers, expected.answers, atol=1e-5, rtol=0)
        assert expected.second is not None
        assert got.second is not None
        torch.testing.assert_close(got.second, expected.second, atol=0.02, rtol=0)
