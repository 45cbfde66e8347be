"""P-values in exported models: those of the run's judge, whichever detector it has and whichever runtime computes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convlens.core.errors import IntegrityError
from convlens.core.exported import Parity
from convlens.exports.formats import opened
from convlens.exports.model import PValues
from convlens.exports.proof import asked, refuse_unlike
from convlens.tasks.export import export
from convlens.tasks.predict import predict
from convlens.tasks.train import train
from convlens.trust.detectors import DETECTORS
from tests.stripes import HOUSE, striped_images
from tests.trust.test_judge import judge_of


@pytest.mark.parametrize("detector", DETECTORS)
def test_they_are_the_judges(detector: str) -> None:
    generator = torch.Generator().manual_seed(0)
    judge = judge_of(60, generator, detector)
    vectors = 2 * torch.randn(40, 8, generator=generator)
    torch.testing.assert_close(PValues(judge)(vectors).double(), judge.p_values(vectors), atol=0.02, rtol=0)
    assert (PValues(judge)(vectors).double() - judge.p_values(vectors)).abs().mean() < 0.002


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> Path:
    root = striped_images(tmp_path_factory.mktemp("p-values") / "images")
    train(root, out=root.parent / "run", **HOUSE)
    return root.parent / "run"


@pytest.mark.parametrize("to", ["onnx", "pt2"])
@pytest.mark.parametrize("bare", [False, True])
def test_a_file_gives_a_second_output(run: Path, tmp_path: Path, to: str, bare: bool) -> None:
    export(run, to=to, out=tmp_path / f"model.{to}", bare=bare)
    runner = opened(tmp_path / f"model.{to}", trust=True)
    assert (runner.card.outputs, runner.card.reject) == (["answers", "p_values"], 0.05)
    assert runner.card.calibration is not None
    assert all(image.p_value is not None for image in runner.card.golden)
    files = [*sorted((run.parent / "foreign").iterdir())[:3], *sorted((run.parent / "images/val/rows").iterdir())[:3]]
    for said in predict(run, *files).predictions:
        assert said.judgment is not None
        path = next(file for file in files if file.name == Path(said.file).name)
        found = asked(runner, _pixels(path))
        assert found.second is not None
        assert float(found.second[0]) == pytest.approx(said.judgment.p_value, abs=0.05)
        assert found.answers[0].tolist() == pytest.approx(list(said.probabilities.values()), abs=0.02)


def _pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"))


def test_in_8_bits_foreign_images_are_still_found(run: Path, tmp_path: Path) -> None:
    export(run, quantize="int8", out=tmp_path / "model.onnx")
    runner = opened(tmp_path / "model.onnx", trust=False)
    for path in (run.parent / "foreign").iterdir():
        found = asked(runner, _pixels(path)).second
        assert found is not None
        assert float(found[0]) <= 0.05


def test_other_p_values_are_refused() -> None:
    found = Parity(images=4, largest_difference=0.0, largest_p_difference=0.2)
    assert not found.proved
    with pytest.raises(IntegrityError, match=r"p-values by up to 0\.2"):
        refuse_unlike(found, "golden images", "a runtime")
