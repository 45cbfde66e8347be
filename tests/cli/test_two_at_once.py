"""Two runs at once on one store: both succeed, with the results of a run alone."""

import json

import pytest

from tests.cli import process
from tests.images import TINY_OPTIONS, draw_images
from tests.runs.whole import check_cache, check_runs, temporaries


def test_two_runs_at_once(cache, tmp_path, convlens):
    images = draw_images(tmp_path / "images", 16)
    words = ("train", images, *TINY_OPTIONS, "--json", "--out")
    running = [process.start(*words, tmp_path / "runs" / name, command=process.MANY_SHARDS) for name in "ab"]
    for process_ in running:
        done = process.finish(process_)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["warnings"][1:] == []
    assert convlens(*words, tmp_path / "runs" / "alone").code == 0
    assert len(check_runs(tmp_path / "runs")) == 3
    assert temporaries(cache, tmp_path) == []
    check_cache(cache)
    alone = _metrics(tmp_path / "runs" / "alone")
    for name in "ab":
        for mine, theirs in zip(_metrics(tmp_path / "runs" / name), alone, strict=True):
            assert mine == pytest.approx(theirs, abs=1e-4)


def _metrics(run):
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]
