"""What `convlens export --to openvino` writes answers in OpenVINO as the run does."""

from pathlib import Path

import pytest

import convlens
from convlens.core.errors import DataError
from convlens.exports.formats import opened
from tests.images import TINY_HOUSE, draw_images

pytestmark = pytest.mark.openvino
pytest.importorskip("openvino")


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("name", ["house", "efficientnet_lite0"])
def test_a_network(tmp_path: Path, name: str, bare: bool) -> None:
    record = convlens.export(name, to="openvino", bare=bare, out=tmp_path / "model")
    assert record.golden.largest_difference < 1e-4
    found = convlens.verify(record.file)
    assert found.runtime.startswith("openvino 2")
    assert found.golden.proved
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"model.xml", "model.bin", "card.json"}


def test_a_run_on_its_validation_images(tmp_path: Path) -> None:
    run = convlens.train(draw_images(tmp_path / "images", 12), out=tmp_path / "run", **TINY_HOUSE)
    record = convlens.export(run.run, to="openvino", out=tmp_path / "model")
    assert record.validation is not None
    assert record.validation.float32.images == run.images.val
    assert record.validation.float32.proved


def test_a_damaged_folder(tmp_path: Path) -> None:
    convlens.export("house", to="openvino", out=tmp_path / "model")
    (tmp_path / "model" / "model.bin").write_bytes(b"")
    with pytest.raises(DataError, match="is not a model that OpenVINO can open"):
        opened(tmp_path / "model", trust=False)
