from pathlib import Path

import pytest

from convlens.core.errors import DataError
from convlens.core.run import RunRecord
from convlens.report.run_folder import MAX_THUMBNAIL_BYTES, read_epochs, read_run, read_thumbnail

from .sample_run import metrics, record, write_run_folder


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    run = record()
    write_run_folder(tmp_path, run, num_epochs=4)
    assert (read_run(tmp_path), read_epochs(tmp_path)) == (run, metrics(4))


@pytest.mark.parametrize(("read", "name"), [(read_run, "run.json"), (read_epochs, "metrics.jsonl")])
def test_missing_record_is_named(tmp_path: Path, read: object, name: str) -> None:
    assert callable(read)
    with pytest.raises(DataError, match=rf"cannot read .*{name} \(No such file or directory\)"):
        read(tmp_path)


def test_damaged_line_is_named(tmp_path: Path) -> None:
    write_run_folder(tmp_path, record(), num_epochs=2)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "learning')
    with pytest.raises(DataError, match=r"metrics\.jsonl, line 3 is not a EpochMetrics"):
        read_epochs(tmp_path)


def without_a_row(run: RunRecord) -> RunRecord:
    confusion = run.validation.confusion[1:]
    return run.model_copy(update={"validation": run.validation.model_copy(update={"confusion": confusion})})


def with_a_short_row(run: RunRecord) -> RunRecord:
    confusion = [run.validation.confusion[0][1:], *run.validation.confusion[1:]]
    return run.model_copy(update={"validation": run.validation.model_copy(update={"confusion": confusion})})


def without_a_score(run: RunRecord) -> RunRecord:
    scores = run.validation.per_class[1:]
    return run.model_copy(update={"test": run.validation.model_copy(update={"per_class": scores})})


def with_a_torn_roc(run: RunRecord) -> RunRecord:
    assert run.validation.roc
    roc = run.validation.roc.model_copy(update={"true_positive_rate": [0.0]})
    return run.model_copy(update={"validation": run.validation.model_copy(update={"roc": roc})})


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (without_a_row, "2 classes, but 1 entries in validation.confusion"),
        (with_a_short_row, "2 classes, but 1 entries in validation.confusion"),
        (without_a_score, "2 classes, but 1 entries in test.per_class"),
        (with_a_torn_roc, "validation.roc has 5 false positive rates and 1 true positive rates"),
    ],
)
def test_record_that_contradicts_itself_is_refused(tmp_path: Path, damage: object, told: str) -> None:
    assert callable(damage)
    write_run_folder(tmp_path, damage(record()))
    with pytest.raises(DataError, match=rf"run\.json contradicts itself: {told}"):
        read_run(tmp_path)


def test_thumbnail_is_read_from_inside_the_run_folder_only(tmp_path: Path) -> None:
    run = record()
    write_run_folder(tmp_path / "run", run)
    name = run.mistakes[0].thumbnail
    (tmp_path / "secret.jpg").write_bytes((tmp_path / "run" / name).read_bytes())
    (tmp_path / "run" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    assert (read_thumbnail(tmp_path / "run", name) or "").startswith("data:image/jpeg;base64,/9j/")
    for outside in ("../secret.jpg", str(tmp_path / "secret.jpg"), "link.jpg"):
        assert read_thumbnail(tmp_path / "run", outside) is None


@pytest.mark.parametrize("content", [b"<svg/>", b"", b"\xff\xd8\xff" + bytes(MAX_THUMBNAIL_BYTES)])
def test_what_is_no_small_jpeg_counts_as_missing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.jpg").write_bytes(content)
    assert read_thumbnail(tmp_path, "image.jpg") is None


def test_folder_and_impossible_name_count_as_missing(tmp_path: Path) -> None:
    assert read_thumbnail(tmp_path, "") is None
    assert read_thumbnail(tmp_path, "a\0b.jpg") is None
