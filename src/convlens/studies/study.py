"""A study: a claim, the cases in which it is measured, and what follows from the numbers."""

import dataclasses
import hashlib
import json
import math
import re
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch

import convlens
from convlens.core.claims import STUDY_PAGE
from convlens.core.errors import UsageError
from convlens.core.files import disk_errors_named, write_atomically
from convlens.core.progress import Advance, Progress, Say, noted, silent, unsaid
from convlens.core.records import now
from convlens.core.run import METRICS_FILE, UNFINISHED
from convlens.core.settings import setting
from convlens.core.stopping import resumable
from convlens.core.study import (
    STUDY_FILE,
    Axis,
    Case,
    Chart,
    Conclusion,
    Measured,
    Series,
    StudyRecord,
    Value,
)
from convlens.report.run_folder import read_epochs
from convlens.report.study import write_study_page
from convlens.studies.bench import Bench
from convlens.studies.kept_points import machine, read_kept
from convlens.studies.measurements import Measurements, curve

Form = Literal["quick", "full", "own"]
_SECONDS_BETWEEN_PAGES = 10.0
_WORK = "work-"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study(ABC):
    """One experiment; its fields say how large it is, and a case is measured by what other commands measure by.

    `folders` are of images; by default, where it needs any, a study makes images of its own.
    """

    name: ClassVar[str]
    seeds: int = 3
    """How often each case is measured, with other weights and images."""
    folders: tuple[Path, ...] = ()

    @classmethod
    @abstractmethod
    def full(cls) -> Self:
        """The study at the size that was published; without arguments, a study is as large as takes some minutes."""

    def prepare(self, bench: Bench) -> list[str]:
        """Lay images ready; a line for each set of them, which says what they are and changes when they do."""
        return []

    @abstractmethod
    def cases(self) -> list[Case]:
        """What is measured, in the order in which it is: the first seed of all before the second."""

    @abstractmethod
    def measure(self, case: Case, bench: Bench) -> Mapping[str, Value]:
        """The numbers of a case."""

    @abstractmethod
    def conclude(self, measured: Measurements) -> Conclusion:
        """What follows from what was measured so far, which may be nothing."""


def run_study(
    study: Study,
    out: str | Path,
    *,
    form: Form = "own",
    command: str = "",
    progress: Progress = silent,
    say: Say = unsaid,
) -> tuple[StudyRecord, Path]:
    """The record of a study, and its page in the folder `out`, which is written anew while it goes on.

    Cases that stand in the folder's record are not measured again, as long as all that their numbers depend on is the
    same: after an interruption the same call goes on, and with more `seeds` it adds to what there is. A record of
    another size or other images is kept beside, which `say` is told. Raises UsageError for no seeds, DataError where
    the folder holds something else, MachineError where it cannot be written to, and what the measuring raises.
    """
    if study.seeds < 1:
        raise UsageError(f"{setting('seeds', study.seeds)}: at least one is needed, and two for intervals.")
    target = Path(out).expanduser()
    with resumable(lambda: command or None):
        bench = Bench(folder=_workplace(study, target), progress=progress)
        record = _begun(study, target, bench, form, command, say)
        page = _Page(target)
        page.draw(record)
        with progress("study", record.planned) as advance:
            advance(len(record.measured))
            for case in _missing(study, record):
                start = time.perf_counter()
                inner = dataclasses.replace(bench, case=_name(case))
                inner = dataclasses.replace(inner, progress=noted(page.kept_up(advance, record, inner), _told(case)))
                values = dict(study.measure(case, inner))
                measured = Measured(case=case, values=values, seconds=time.perf_counter() - start)
                shutil.rmtree(bench.runs, ignore_errors=True)
                record = record.model_copy(update={"measured": [*record.measured, measured], "made": now()})
                record = _concluded(study, record)
                advance(1, _told(case))
                if record.finished or page.is_due:
                    page.draw(record)
                else:
                    write_atomically(target / STUDY_FILE, record.to_json())
    shutil.rmtree(bench.folder)
    return record, target / STUDY_PAGE


class _Page:
    """The page of a study that goes on, with the learning curves of the training that is under way."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._drawn = -math.inf

    @property
    def is_due(self) -> bool:
        """Whether it is old enough to be drawn again."""
        return time.perf_counter() - self._drawn >= _SECONDS_BETWEEN_PAGES

    def draw(self, record: StudyRecord, running: Chart | None = None) -> None:
        """Write page and record."""
        write_study_page(record, self._target, running=running)
        self._drawn = time.perf_counter()

    def kept_up(self, advance: Advance, record: StudyRecord, bench: Bench) -> Advance:
        """The same `advance`, which draws the page on the way."""

        def tell(steps: int, note: str = "") -> None:
            advance(steps, note)
            if self.is_due:
                self.draw(record, _running(bench))

        return tell


def _running(bench: Bench) -> Chart | None:
    """The losses of the run under way, once it has two epochs."""
    run = bench.runs / f"{bench.case}{UNFINISHED}"
    epochs = read_epochs(run) if (run / METRICS_FILE).is_file() else []
    if len(epochs) < 2:
        return None
    sides = {"training": [one.train_loss for one in epochs], "validation": [one.val_loss for one in epochs]}
    return Chart(
        name="running",
        title=f"Under way: {bench.case.replace(',', ', ')}",
        x=Axis(label="epoch"),
        y=Axis(label="loss"),
        series=[Series(name=side, points=curve(losses, epochs[0].epoch)) for side, losses in sides.items()],
    )


def _begun(study: Study, target: Path, bench: Bench, form: Form, command: str, say: Say) -> StudyRecord:
    """The record to go on with: one without measurements, or with those of this study that are there."""
    left = read_kept(StudyRecord, target / STUDY_FILE)
    data = study.prepare(bench)
    settings = _settings(study)
    fingerprint = _fingerprint(study.name, settings, data)
    cases = study.cases()
    if left and left.fingerprint != fingerprint and left.measured:
        aside = target / f"study-{left.fingerprint[:12]}.json"
        write_atomically(aside, left.to_json())
        say(
            f"{target} holds {len(left.measured)} measured cases of another size, of other images or by another "
            f"version: they are kept as {aside.name}"
        )
    known = left.measured if left and left.fingerprint == fingerprint else []
    record = StudyRecord(
        name=study.name,
        form=form,
        command=command or f"convlens.study({study.name!r}, out={str(target)!r})",
        settings={**settings, "seeds": study.seeds},
        data=data,
        fingerprint=fingerprint,
        made=left.made if left and known else now(),
        machine=machine(),
        convlens=convlens.__version__,
        torch=torch.__version__,
        planned=len(cases),
        measured=[one for one in known if one.case in cases],
        conclusion=Conclusion(findings=[]),
    )
    return _concluded(study, record)


def _settings(study: Study) -> dict[str, str | int | float | bool | list[str | int | float]]:
    """The size of the experiment: all fields but those that say what else is measured in the same way."""
    values = {name: value for name, value in vars(study).items() if name not in ("seeds", "folders")}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _fingerprint(name: str, settings: Mapping[str, object], data: Sequence[str]) -> str:
    given = [name, settings, list(data), convlens.__version__, torch.__version__]
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()


def _missing(study: Study, record: StudyRecord) -> Iterator[Case]:
    known = [one.case for one in record.measured]
    return (case for case in study.cases() if case not in known)


def _workplace(study: Study, target: Path) -> Path:
    """The folder in which a study of that size works; those of other sizes are removed."""
    given = json.dumps([_settings(study), [str(folder) for folder in study.folders]], sort_keys=True)
    place = target / f"{_WORK}{hashlib.sha256(given.encode()).hexdigest()[:12]}"
    with disk_errors_named(target):
        place.mkdir(parents=True, exist_ok=True)
        for other in target.glob(f"{_WORK}*"):
            if other != place:
                shutil.rmtree(other)
    return place


def _name(case: Case) -> str:
    """A case as the name of a folder."""
    return re.sub(r"[^\w.=,-]+", "_", ",".join(f"{name}={value}" for name, value in case.items()))


def _told(case: Case) -> str:
    return ", ".join(str(value) if isinstance(value, str) else f"{name} {value}" for name, value in case.items())


def _concluded(study: Study, record: StudyRecord) -> StudyRecord:
    return record.model_copy(update={"conclusion": study.conclude(Measurements(record.measured))})
