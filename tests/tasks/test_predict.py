"""Predicting as a function; how it meets a person stands in tests/cli/test_predict.py."""

import pytest

from convlens.core.errors import DataError, UsageError
from convlens.tasks.predict import predict
from convlens.tasks.train import train
from tests.tasks.pictures import TINY, draw, draw_pictures


@pytest.fixture(scope="module")
def run(tmp_path_factory, module_cache):
    folder = tmp_path_factory.mktemp("predict")
    train(draw_pictures(folder / "pictures"), out=folder / "run", **TINY)
    return folder / "run"


def test_order_is_that_of_the_question(run, tmp_path):
    paths = [draw(tmp_path / f"{name}.png", seed=name) for name in "cab"]
    record = predict(run, *paths, paths[0])
    assert [one.file for one in record.predictions] == [str(path) for path in [*paths, paths[0]]]
    assert record.predictions[0] == record.predictions[-1]


def test_a_picture_alone_or_among_others_is_the_same(run, tmp_path):
    paths = [draw(tmp_path / f"{number}.png", seed=str(number)) for number in range(40)]
    together = predict(run, tmp_path).predictions
    for path in (paths[0], paths[39]):
        (alone,) = predict(run, path).predictions
        (among,) = (one for one in together if one.file == str(path))
        assert alone.probabilities == pytest.approx(among.probabilities, abs=1e-5)


def test_no_run(tmp_path):
    with pytest.raises(UsageError, match=r"is not a run folder: it holds no model\.json"):
        predict(tmp_path, tmp_path)


def test_incomplete_run(tmp_path, run):
    (tmp_path / "model.json").write_bytes((run / "model.json").read_bytes())
    with pytest.raises(DataError, match=r"the run is not complete\. Train it again"):
        predict(tmp_path, tmp_path)
