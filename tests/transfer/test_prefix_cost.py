"""The cost of a frozen prefix: its counts and its pace."""

from types import SimpleNamespace

import pytest

from convlens.core.progress import silent
from convlens.data.manifest import Manifest
from convlens.data.scan import scan
from convlens.pipeline.prepare import Prepared, prepare
from convlens.tasks.inspect import inspect
from convlens.training.recipe import Recipe
from convlens.transfer import prefix_cost as module
from convlens.transfer.prefix_cost import prefix_cost, prefix_pace
from tests.images import draw_images

HOUSE = Recipe(backbone="house", weights="random", size=32, epochs=1, precision="fp32", training_precision="fp32")


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    return scan(draw_images(tmp_path / "images", 3), silent)


def prepared(**changes: object) -> Prepared:
    return prepare(HOUSE.model_copy(update=changes), 2)


@pytest.mark.parametrize("freeze", ["backbone", "layer3"])
def test_counts_are_those_of_the_frozen_modules_in_inspect(freeze):
    lines = inspect("house", size=32, freeze=freeze, depth=9).modules
    frozen = [line for line in lines if line.state == "frozen"]
    total = prefix_cost(prepared(freeze=freeze).cut.prefix).total
    assert total.parameters == sum(line.parameters for line in frozen) > 0
    assert total.multiply_adds == sum(line.multiply_adds for line in frozen) > 0


def test_the_first_batch_runs_once_before_the_clock(manifest, monkeypatch):
    seen = []

    class Counting(module.FastPrefix):
        def features_of(self, pixels, preprocessing):
            seen.append(len(pixels))
            return super().features_of(pixels, preprocessing)

    monkeypatch.setattr(module, "FastPrefix", Counting)
    monkeypatch.setattr(module, "BATCH_SIZE", 4)
    monkeypatch.setattr(module, "_LEAST_SECONDS", 0.0)
    network = prepared()
    pace = prefix_pace(network.cut.prefix, manifest.images, network.preprocessing, "fp32")
    assert seen == [4, 4, 2]
    assert pace is not None
    assert pace.images == 6
    assert pace.images_per_second == 1 / pace.seconds_per_image > 0
    assert pace.extract_seconds(10) == 10 * (pace.seconds_per_image + pace.decode_seconds_per_image)


def test_a_quick_network_goes_over_the_sample_again(manifest, monkeypatch):
    times = iter([0.0, 1.0, 10.0, 10.1, 10.2, 10.4])
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    network = prepared()
    pace = prefix_pace(network.cut.prefix, manifest.images, network.preprocessing, "fp32")
    assert pace is not None
    assert pace.decode_seconds_per_image == pytest.approx(1 / 6)
    assert pace.seconds_per_image == pytest.approx(0.4 / (3 * 6))


def test_nothing_frozen_and_nothing_decoded_have_no_pace(manifest):
    whole, cut = prepared(freeze="none"), prepared()
    assert prefix_pace(whole.cut.prefix, manifest.images, whole.preprocessing, "fp32") is None
    for image in manifest.images:
        image.path.unlink()
    assert prefix_pace(cut.cut.prefix, manifest.images, cut.preprocessing, "fp32") is None
