"""All studies by name, in their quick form and in full, and how one is run."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from convlens.core.claims import CLAIMS, STUDIES_FOLDER
from convlens.core.errors import UsageError, unknown_name
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.settings import setting
from convlens.core.study import StudyRecord
from convlens.report.study import write_study_index
from convlens.studies.dense import Dense
from convlens.studies.depth import Depth
from convlens.studies.dilation import Dilation
from convlens.studies.features import Features
from convlens.studies.gradients import Gradients
from convlens.studies.sgd import Sgd
from convlens.studies.shortcuts import Shortcuts
from convlens.studies.study import Form, Study, run_study
from convlens.studies.transfer import Transfer
from convlens.studies.tricks import Tricks

STUDIES: Mapping[str, type[Study]] = MappingProxyType(
    {one.name: one for one in (Depth, Shortcuts, Dense, Dilation, Transfer, Features, Tricks, Gradients, Sgd)}
)


def study(
    name: str,
    folders: str | Path | Sequence[str | Path] = (),
    *,
    out: str | Path | None = None,
    full: bool = False,
    seeds: int | None = None,
    sizes: Mapping[str, str | float | bool | Sequence[float]] = MappingProxyType({}),
    progress: Progress = silent,
    say: Say = unsaid,
    command: str = "",
) -> StudyRecord:
    """The record of a study, a claim of the field put to the test; its page lies in the folder `out`.

    `name` is one of `convlens study --help`, `folders` hold images, by default handwritten digits; `out` is
    studies/NAME by default, and studies/index.html lists what lies there. `full` measures at the size that was
    published, `seeds` says how often each case is measured, and `sizes` replaces single sizes that the page lists.
    What the folder has already is not measured again. Raises what `study_named` and `run_study` raise.
    """
    paths = [folders] if isinstance(folders, str | Path) else folders
    chosen = study_named(
        name,
        [Path(path).expanduser() for path in paths],
        full=full,
        seeds=seeds,
        sizes={k: _text(v) for k, v in sizes.items()},
    )
    target = STUDIES_FOLDER / name if out is None else Path(out)
    form: Form = "own" if sizes else "full" if full else "quick"
    record, _ = run_study(chosen, target, form=form, command=command, progress=progress, say=say)
    if out is None:
        write_study_index(STUDIES_FOLDER)
    return record


def _text(value: str | float | bool | Sequence[float]) -> str:
    return ",".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def study_named(
    name: str,
    folders: Sequence[Path] = (),
    *,
    full: bool = False,
    seeds: int | None = None,
    sizes: Mapping[str, str] = MappingProxyType({}),
) -> Study:
    """A study by name, on these folders of images, with another number of seeds than its own where one is given.

    `sizes` are other values for the fields that say how large it is, as text; several are separated by commas. Raises
    UsageError for an unknown name or field or a value that does not fit, and for folders where the study takes none.
    """
    if name not in STUDIES:
        raise unknown_name("study", name, STUDIES)
    if folders and not CLAIMS[name].images:
        raise UsageError(f"the study {name} takes no images; leave {folders[0]} out.")
    study = STUDIES[name].full() if full else STUDIES[name]()
    return dataclasses.replace(
        study,
        folders=tuple(folders),
        seeds=study.seeds if seeds is None else seeds,
        **{field: _read(study, field, text) for field, text in sizes.items()},
    )


def _read(study: Study, field: str, text: str) -> Any:
    """The value of a field of the study, of the type that it has now."""
    accepted = [name for name in vars(study) if name not in ("seeds", "folders")]
    if field not in accepted:
        raise unknown_name(f"size of the study {study.name}", field, accepted)
    now = vars(study)[field]
    try:
        if isinstance(now, tuple):
            return tuple(_single(type(now[0]), part.strip()) for part in text.split(","))
        return _single(type(now), text)
    except ValueError as error:
        kind = f"numbers such as {','.join(map(str, now))}" if isinstance(now, tuple) else f"a value such as {now}"
        raise UsageError(f"{setting('set', f'{field}={text}')}: {field} takes {kind}.") from error


def _single(kind: type, text: str) -> Any:
    if kind is bool:
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else kind(int(text))
    value = kind(text)
    if isinstance(value, int | float) and not value > 0:
        raise ValueError(text)
    return value
