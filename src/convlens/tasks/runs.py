"""Runs: those of a folder in a list, and what two of them differ in."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from convlens.core.errors import DataError, UsageError
from convlens.core.run import RUN_FILE, Problem, RunRecord
from convlens.core.run_list import Difference, RunDifference, RunList, RunSummary
from convlens.report.run_folder import read_run
from convlens.runs.run_directory import RUNS_FOLDER
from convlens.runs.validation_images import validated_hashes

_ABSENT = "not set"


def list_runs(folder: str | Path = RUNS_FOLDER, *, data: str | Path | None = None) -> RunList:
    """The finished runs directly in a folder, the newest last; with `data` only those on that folder of images.

    The best one is that with the highest score, where all have learned the same classes from the same folder; a run's
    validation images are its own, so that scores close to each other say little (see `compare`). Raises UsageError
    where there is no such folder.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise UsageError(f"no such folder: {place}. Give one that holds runs, such as {RUNS_FOLDER}.")
    wanted = None if data is None else Path(data).expanduser().resolve()
    found, unreadable = [], []
    for run in sorted(path.parent for path in place.glob(f"*/{RUN_FILE}")):
        try:
            record = read_run(run)
        except DataError as error:
            unreadable.append(Problem(file=run.name, reason="unreadable", detail=str(error), used=False))
            continue
        if wanted is None or Path(record.folder).resolve() == wanted:
            found.append(_summary(run, record))
    found.sort(key=lambda one: (one.created, one.run))
    best, why = _best(found)
    return RunList(folder=str(place), runs=found, unreadable=unreadable, best=best, incomparable=why)


def diff_runs(first: str | Path, second: str | Path) -> RunDifference:
    """What of the recipe, the data and the versions of two runs differs. Raises UsageError for what is not a run."""
    folders = [Path(run).expanduser() for run in (first, second)]
    for folder in folders:
        if not (folder / RUN_FILE).is_file():
            raise UsageError(f"{folder} is not a finished run: it holds no {RUN_FILE}.")
    one, other = records = [read_run(folder) for folder in folders]
    validated = [set(validated_hashes(folder).values()) for folder in folders]
    return RunDifference(
        first=_summary(folders[0], one),
        second=_summary(folders[1], other),
        recipe=list(_differences(*(record.recipe for record in records))),
        data=list(_differences(*map(_data, records))),
        made_with=list(_differences(*(record.versions.model_dump() for record in records))),
        common_validation_images=len(validated[0] & validated[1]),
    )


def _summary(folder: Path, record: RunRecord) -> RunSummary:
    score = record.validation.score
    return RunSummary(
        run=str(folder),
        created=record.created,
        folder=record.folder,
        backbone=record.backbone,
        task=record.task,
        classes=record.classes,
        images=record.images,
        score_name=score.name,
        score=score.value,
        score_text=score.text,
        seconds=record.seconds.total,
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )


def _best(runs: list[RunSummary]) -> tuple[str | None, str | None]:
    """The path of the best run; or why there is none."""
    ranked = [(one.score, one.run) for one in runs if one.score is not None]
    if not ranked:
        return None, "no run has a score"
    if len(folders := sorted({one.folder for one in runs})) > 1:
        return None, f"the runs have learned from {len(folders)} folders of images: {', '.join(folders)}"
    if len({(one.task, *one.classes) for one in runs}) > 1:
        return None, "the runs have learned different classes"
    return max(ranked)[1], None


def _data(record: RunRecord) -> Mapping[str, object]:
    counts = record.images
    return {
        "folder": record.folder,
        "task": record.task,
        "classes": ", ".join(record.classes),
        "training images": counts.train,
        "validation images": counts.val,
        "test images": counts.test,
        "starting weights": record.weights.sha256 or record.weights.source,
    }


def _differences(first: Mapping[str, object], second: Mapping[str, object]) -> Iterator[Difference]:
    for field in {**first, **second}:
        values = [str(side.get(field, _ABSENT)) for side in (first, second)]
        if values[0] != values[1]:
            yield Difference(field=field, first=values[0], second=values[1])
