"""Check: what is wrong with the files of a folder of images, found before it costs a night. Only reads."""

import csv
import io
import os
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from convlens.core.check import ADVICE, CheckRecord, ClassCount
from convlens.core.errors import UsageError
from convlens.core.files import write_atomically
from convlens.core.progress import Progress, silent
from convlens.core.records import now
from convlens.core.run import Problem
from convlens.core.target import strata
from convlens.data.decode import THUMBNAIL_SIDE, BadPicture, opened, thumbnail_of
from convlens.data.examine import Examination, examine
from convlens.data.foreign import DOCUMENT, FOREIGN
from convlens.data.manifest import EMPTY_CLASS, Manifest, Picture
from convlens.data.neighbors import connected
from convlens.data.perceptual_hash import alike
from convlens.data.scan import duplicates, labelled_pictures
from convlens.pipeline.layout import asked_layout
from convlens.report.check_page import PAGE_THUMBNAILS, THUMBNAILS_PER_REASON, write_check_page

MOST_BAD = 0.05
_FILES_PER_TASK = 8
_OF_NO_IMAGE = {EMPTY_CLASS, FOREIGN, DOCUMENT}
"""Reasons that count no file as unusable: nobody meant an image there."""
_LEAST_PER_CLASS, _MOST_PER_CLASS = 1, 12


def check_pictures(
    folder: str | Path,
    *,
    labels: str | Path | None = None,
    nested: bool = False,
    learn: str = "auto",
    label_columns: str = "",
    most_bad: float = MOST_BAD,
    html: str | Path | None = None,
    fix_list: str | Path | None = None,
    progress: Progress = silent,
) -> CheckRecord:
    """What is in a folder of pictures and what is wrong with it, file by file; nothing in it is ever changed.

    `folder`, `labels`, `nested`, `learn` and `label_columns` are as in `train`. `most_bad` is the part of files that
    may be unusable before `too_bad` holds. `html` is a page to be written, with thumbnails class by class; `fix_list` a
    CSV file of suggestions. What is found follows from the files alone, not from what was trained before; whether a
    label is right is not told. Raises UsageError where there is no such folder, or one in the place of `html` or
    `fix_list`; DataError where it holds no classes.
    """
    if not 0 <= most_bad <= 1:
        raise UsageError(f"--max-bad {most_bad:g}: give a part of the files, from 0 to 1 (or 0% to 100%).")
    _refuse_folder("--html", html, "check.html")
    _refuse_folder("--fix-list", fix_list, "check.csv")
    start = time.perf_counter()
    layout = asked_layout(labels, nested=nested, learn=learn, label_columns=label_columns)
    manifest = labelled_pictures(folder, progress, layout)
    examined, bad, remarks = _examined(manifest.pictures, progress)
    usable = [picture for picture in manifest.pictures if picture.file in examined]
    twice = _named_by_side(duplicates(tuple(usable)), manifest)
    copies = {one.file for one in twice}
    single = [picture for picture in usable if picture.file not in copies]
    likes = _likes(single, examined)
    similar = [_likeness(one, like) for one, like in likes]
    problems = [*manifest.problems, *bad, *twice, *similar, *remarks]
    problems += manifest.without(tuple(problems)).class_problems()
    record = _record(manifest, examined, problems, likes, most_bad, time.perf_counter() - start)
    if fix_list is not None:
        write_atomically(Path(fix_list).expanduser(), _fix_list(record))
    if html is not None:
        write_check_page(record, *_thumbnails(manifest, record), Path(html).expanduser())
    return record


def _refuse_folder(option: str, path: str | Path | None, name: str) -> None:
    if path is not None and (folder := Path(path).expanduser()).is_dir():
        raise UsageError(f"{option} {path} is a folder. Give the name of a file, such as {folder / name}.")


_Outcome = tuple[Picture, Examination | BadPicture]
_Examined = dict[str, Examination]


def _examined(pictures: Sequence[Picture], progress: Progress) -> tuple[_Examined, list[Problem], list[Problem]]:
    """Examinations by file, files that give no picture, and remarks on those that do."""
    groups = [pictures[start : start + _FILES_PER_TASK] for start in range(0, len(pictures), _FILES_PER_TASK)]
    examined: _Examined = {}
    bad: list[Problem] = []
    remarks: list[Problem] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress("check", len(pictures)) as advance:
        for outcomes in pool.map(_outcomes, groups):
            for picture, outcome in outcomes:
                if isinstance(outcome, BadPicture):
                    bad.append(_problem(picture, outcome.reason, outcome.detail, used=False))
                else:
                    examined[picture.file] = outcome._replace(remarks=())
                    remarks += [_problem(picture, *remark) for remark in outcome.remarks]
            advance(len(outcomes))
    return examined, bad, remarks


def _outcomes(pictures: Sequence[Picture]) -> list[_Outcome]:
    return [(picture, _outcome(picture)) for picture in pictures]


def _outcome(picture: Picture) -> Examination | BadPicture:
    try:
        return examine(picture.path.read_bytes(), picture.file)
    except BadPicture as bad:
        return bad
    except OSError as error:
        return BadPicture(reason="unreadable", detail=error.strerror or str(error), lasting=False)


def _problem(picture: Picture, reason: str, detail: str, used: bool = True) -> Problem:
    return Problem(file=picture.file, reason=reason, detail=detail, used=used)


def _named_by_side(problems: Sequence[Problem], manifest: Manifest) -> list[Problem]:
    """Duplicates, those over two sides of a split under a name of their own."""
    copies = {one.file for one in problems}
    hashes = {picture.sha256 for picture in manifest.pictures if picture.file in copies}
    sides: defaultdict[str, set[str | None]] = defaultdict(set)
    for picture in manifest.pictures:
        if picture.sha256 in hashes:
            sides[picture.sha256].add(picture.side)
    over = {picture.file for picture in manifest.pictures if len(sides.get(picture.sha256, ())) > 1}
    return [
        one.model_copy(update={"reason": "two-sides"}) if one.reason == "duplicate" and one.file in over else one
        for one in problems
    ]


def _likes(pictures: Sequence[Picture], examined: _Examined) -> list[tuple[Picture, Picture]]:
    """All images that look like another one, but the first of each such group, each with one that it looks like."""
    pairs = list(alike([examined[picture.file].signature for picture in pictures]))
    likes: dict[int, int] = {}
    for one, other in [*pairs, *((other, one) for one, other in pairs)]:
        likes[one] = min(other, likes.get(one, other))
    groups = connected(len(pictures), pairs)
    return [(pictures[place], pictures[likes[place]]) for place in sorted(likes) if groups[place] != place]


def _likeness(one: Picture, first: Picture) -> Problem:
    if one.label != first.label:
        return _problem(one, "alike-two-labels", f"looks like {first.file}, which is {first.label!r}")
    if one.side != first.side:
        return _problem(one, "alike-two-sides", f"looks like {first.file}, on the other side of the split")
    return _problem(one, "near-duplicate", f"looks like {first.file}")


def _record(
    manifest: Manifest,
    examined: _Examined,
    problems: list[Problem],
    likes: list[tuple[Picture, Picture]],
    most_bad: float,
    seconds: float,
) -> CheckRecord:
    of_files = [one for one in problems if one.reason not in _OF_NO_IMAGE]
    ruled_out = {one.file for one in of_files if not one.used}
    files = len({picture.file for picture in manifest.pictures} | {one.file for one in of_files})
    classes = _class_counts(manifest, ruled_out)
    least = min((one.pictures for one in classes), default=0)
    sides = [min(one.size) for one in examined.values()]
    return CheckRecord(
        folder=manifest.folder,
        created=now(),
        files=files,
        usable=files - len(ruled_out),
        classes=classes,
        imbalance=max(one.pictures for one in classes) / least if least else None,
        formats=dict(Counter(one.format for one in examined.values()).most_common()),
        shorter_side=(min(sides), round(statistics.median(sides)), max(sides)) if sides else None,
        reasons=dict(Counter(one.reason for one in problems).most_common()),
        problems=problems,
        likes={one.file: like.file for one, like in likes},
        bad_share=len(ruled_out) / files if files else 0.0,
        most_bad=most_bad,
        seconds=seconds,
        pictures_per_second=len(manifest.pictures) / seconds,
    )


def _class_counts(manifest: Manifest, ruled_out: set[str]) -> list[ClassCount]:
    if manifest.target == "numbers":
        return []
    counts: dict[str, Counter[str]] = {name: Counter() for name in manifest.classes}
    for picture in manifest.pictures:
        for name in strata(manifest.target, picture.label):
            counts[name]["not_used" if picture.file in ruled_out else picture.side or "unsplit"] += 1
    keys = ("train", "val", "test", "unsplit", "not_used")
    return [ClassCount(name=name, **{key: count[key] for key in keys}) for name, count in counts.items()]


def _fix_list(record: CheckRecord) -> str:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["file", "suggestion", "reason", "detail"])
    for one in record.problems:
        if one.reason in ADVICE:
            table.writerow([one.file, ADVICE[one.reason], one.reason, one.detail])
    return text.getvalue()


def _thumbnails(manifest: Manifest, record: CheckRecord) -> tuple[dict[str, list[str]], dict[str, bytes]]:
    """The files to be shown of each class, and the thumbnails of these and of the first ones of each reason."""
    ruled_out = {one.file for one in record.problems if not one.used}
    each = max(_LEAST_PER_CLASS, min(_MOST_PER_CLASS, PAGE_THUMBNAILS // max(1, len(manifest.classes))))
    by_class: dict[str, list[Picture]] = {name: [] for name in manifest.classes}
    for picture in manifest.pictures:
        for name in strata(manifest.target, picture.label) if picture.file not in ruled_out else ():
            by_class[name].append(picture)
    # By hash: some of all, and the same ones each time.
    shown = {name: sorted(some, key=lambda one: one.sha256)[:each] for name, some in by_class.items()}
    of_reasons = set(_of_each_reason(record.problems))
    likes = {record.likes[file] for file in of_reasons if file in record.likes}
    wanted = {picture.file for some in shown.values() for picture in some} | of_reasons | likes
    chosen = [picture for picture in manifest.pictures if picture.file in wanted]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        drawn = zip(chosen, pool.map(_thumbnail, chosen), strict=True)
        thumbnails = {picture.file: thumbnail for picture, thumbnail in drawn if thumbnail}
    return {name: [picture.file for picture in some] for name, some in shown.items()}, thumbnails


def _of_each_reason(problems: Iterable[Problem]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for one in problems:
        if seen[one.reason] < THUMBNAILS_PER_REASON:
            seen[one.reason] += 1
            yield one.file


def _thumbnail(picture: Picture) -> bytes:
    try:
        return thumbnail_of(opened(picture.path.read_bytes(), at_least=THUMBNAIL_SIDE).rgb)
    except (BadPicture, OSError):
        return b""
