"""report.html of a training run: one file, drawn from the run folder's records alone."""

import collections
import dataclasses
from pathlib import Path

from convlens.core.files import write_atomically
from convlens.core.kinds.registry import KINDS
from convlens.core.run import (
    EXPLAINED_FOLDER,
    REPORT_FILE,
    EpochMetrics,
    Mistake,
    Problem,
    RunRecord,
    Seconds,
)
from convlens.report import charts
from convlens.report.pages import PAGES
from convlens.report.run_folder import read_epochs, read_run, read_thumbnail
from convlens.report.task_views import task_view

MAX_MISTAKES = 60
MAX_OPEN_MISTAKES = 8
"""More of them are folded at first."""
MAX_BAD_FILES = 200
MAX_OPEN_ROWS = 20
"""A table with more rows than this is folded at first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainedMistake:
    """A mistake, its thumbnail as a data URI, and the page that explains it; None for files that are not there."""

    mistake: Mistake
    image: str | None
    explained: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimePart:
    """One part of the run's wall-clock time; `share` is its part of the total."""

    name: str
    seconds: float
    share: float


def write_run_report(run_folder: Path) -> Path:
    """The path of report.html, drawn again from run.json, metrics.jsonl and the thumbnails in `run_folder`.

    The same records give the same bytes. Raises DataError, naming the file, when a record is missing or
    damaged; a missing thumbnail is said in its place on the page.
    """
    record, epochs = read_run(run_folder), read_epochs(run_folder)
    gallery = [
        ExplainedMistake(
            mistake=mistake,
            image=read_thumbnail(run_folder, mistake.thumbnail),
            explained=_explained(run_folder, mistake),
        )
        for mistake in record.mistakes[:MAX_MISTAKES]
    ]
    path = run_folder / REPORT_FILE
    write_atomically(path, _page(run_folder, record, epochs, gallery))
    return path


def explained_page(mistake: Mistake) -> str:
    """Where the page that explains a mistake lies, relative to the run folder."""
    return f"{EXPLAINED_FOLDER}/{Path(mistake.thumbnail).stem}.html"


def _explained(run_folder: Path, mistake: Mistake) -> str | None:
    place = explained_page(mistake)
    return place if (run_folder / place).is_file() else None


def _page(run_folder: Path, record: RunRecord, epochs: list[EpochMetrics], gallery: list[ExplainedMistake]) -> str:
    sides = [("validation", record.validation), ("test", record.test)]
    return PAGES.get_template("run.html.jinja").render(
        record=record,
        kind=KINDS[record.task],
        epochs=epochs,
        curves=_curves(record, epochs) if epochs else [],
        views=[task_view(run_folder, record, side, evaluation) for side, evaluation in sides if evaluation],
        reliability=charts.reliability(record.trust.before, record.trust.after) if record.trust else None,
        gallery=gallery,
        bad_files=record.bad_files[:MAX_BAD_FILES],
        reasons=_reasons(record.bad_files),
        max_open_rows=MAX_OPEN_ROWS,
        max_open_mistakes=MAX_OPEN_MISTAKES,
        time=time_parts(record.seconds),
    )


def _curves(record: RunRecord, epochs: list[EpochMetrics]) -> list[str]:
    unit = KINDS[record.task].loss_unit
    loss = charts.loss_curves(epochs, f"loss ({record.loss}, {unit})")
    return [loss, charts.accuracy_curves(epochs)] if charts.has_accuracies(epochs) else [loss]


def _reasons(problems: list[Problem]) -> list[tuple[str, int]]:
    """How many problems have each reason, the most frequent first."""
    return collections.Counter(problem.reason for problem in problems).most_common()


def time_parts(seconds: Seconds) -> list[TimePart]:
    """Where the time went, in the order of the work; `prefix` without the waiting that `decode` counts."""
    parts = {
        "scan the folder": seconds.scan,
        "capture and cut the network": seconds.capture,
        "frozen part: waiting for decoded images": seconds.decode,
        "frozen part: forward pass": max(0.0, seconds.prefix - seconds.decode),
        "fit the trained part": seconds.fit,
        "calibrate": seconds.calibrate,
        "evaluate": seconds.evaluate,
        "rest": seconds.rest,
    }
    total = sum(parts.values()) or 1.0
    return [TimePart(name=name, seconds=spent, share=spent / total) for name, spent in parts.items()]
