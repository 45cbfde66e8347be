"""`convlens suggest` and `convlens extend`: what a person reads on the way from a run to a better one."""

import json

import pytest

from convlens.tasks.train import train
from tests.stripes import HOUSE, draw_pattern, striped_images
from tests.tasks.test_extend import draw_tiles


@pytest.fixture(scope="module")
def run(tmp_path_factory, module_cache):
    root = tmp_path_factory.mktemp("cli-extend")
    train(striped_images(root / "images", 12), out=root / "run", **HOUSE)
    return root / "run"


def test_suggest_then_extend(convlens, run, tmp_path):
    pool = draw_pattern(tmp_path / "pool of mine", "rows", 4, 7)
    draw_tiles(pool, 5)
    told = convlens("suggest", run, pool, "--count", 3, "--html", tmp_path / "label.html")
    assert told.code == 0
    assert told.out.startswith("3 of 9 unlabeled images\n")
    assert len(told.out.splitlines()) == 5
    assert f"convlens extend {run} '{pool}' --labels labels.csv" in told.err
    found = json.loads(convlens("suggest", run, pool, "--count", 3, "--json").out)
    assert found["kind"] == "convlens.suggestion"
    assert all(one["file"] in told.out for one in found["suggestions"])
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n" + "".join(f"0-{number}.png,tiles\n" for number in range(5)))
    extended = convlens("extend", run, pool, "--labels", table, "--out", tmp_path / "run2")
    assert extended.code == 0
    assert "Added    4 training and 1 validation images; new class tiles" in extended.out
    assert f"of 24 validation images of {run} right, now" in extended.out
    assert "of them are now taken for a new class" in extended.out
    assert f"Use it   convlens predict {tmp_path / 'run2'} IMAGE..." in extended.out


def test_wrong_use(convlens, run, tmp_path):
    (tmp_path / "empty").mkdir()
    nothing = convlens("extend", run, tmp_path / "empty")
    assert (nothing.code, nothing.out) == (3, "")
    assert "At least one is needed" in nothing.err
    wrong = convlens("suggest", run, tmp_path / "empty", "--count", 0)
    assert (wrong.code, wrong.out) == (2, "")
    assert "--count 0: give a number of images, 1 or more" in wrong.err
