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
from convlens.core.files import refuse_unwritable, write_atomically
from convlens.core.kinds.kind import text_of
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.records import now
from convlens.core.run import NO_LABEL, Problem
from convlens.core.settings import setting
from convlens.data.decode import BadImage, thumbnail_from
from convlens.data.examine import Examination, examine
from convlens.data.foreign import DOCUMENT, FOREIGN
from convlens.data.manifest import EMPTY_CLASS, ImageFile, Manifest
from convlens.data.neighbors import connected
from convlens.data.perceptual_hash import alike
from convlens.data.scan import duplicates, labeled_images
from convlens.pipeline.layout import asked_layout
from convlens.pipeline.notices import say_layout
from convlens.report.check_page import PAGE_THUMBNAILS, THUMBNAILS_PER_REASON, write_check_page

MOST_BAD = 0.05
_FILES_PER_TASK = 8
_OF_NO_IMAGE = {EMPTY_CLASS, FOREIGN, DOCUMENT, NO_LABEL}
"""Reasons that count no file as unusable: nobody meant an image there, or one with a label."""
_LEAST_PER_CLASS, _MOST_PER_CLASS = 1, 12


def check_images(
    folder: str | Path,
    *,
    labels: str | Path | None = None,
    file_column: str = "",
    task: str = "auto",
    label_columns: str = "",
    nested: bool = False,
    predefined_split: bool = True,
    most_bad: float = MOST_BAD,
    html: str | Path | None = None,
    fix_list: str | Path | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
) -> CheckRecord:
    """What is in a folder of images and what is wrong with it, file by file; nothing in it is ever changed.

    `folder` and the settings from `labels` to `predefined_split` are as in `train`. `most_bad` is the part of files
    that may be unusable before `too_bad` holds. `html` is a page to be written, with thumbnails class by class;
    `fix_list` a CSV file of suggestions. What is found follows from the files alone, not from what was trained before;
    whether a label is right is not checked. `say` receives what folders and tables were taken for. Raises UsageError
    where there is no such folder, or one in the place of `html` or `fix_list`; DataError where it holds no classes.
    """
    if not 0 <= most_bad <= 1:
        raise UsageError(f"{setting('max_bad', most_bad)}: give a fraction of the files, from 0 to 1 (or 0% to 100%).")
    for option, path, example in (("html", html, "check.html"), ("fix_list", fix_list, "check.csv")):
        if path is not None:
            refuse_unwritable(option, path, example)
    start = time.perf_counter()
    layout = asked_layout(
        labels,
        file_column=file_column,
        task=task,
        label_columns=label_columns,
        nested=nested,
        predefined_split=predefined_split,
    )
    manifest = labeled_images(folder, progress, layout)
    say_layout(manifest, say)
    examined, bad, remarks = _examined(manifest.images, progress)
    usable = [image for image in manifest.images if image.file in examined]
    twice = _named_by_side(duplicates(tuple(usable)), manifest)
    copies = {one.file for one in twice}
    single = [image for image in usable if image.file not in copies]
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


_Outcome = tuple[ImageFile, Examination | BadImage]
_Examined = dict[str, Examination]


def _examined(images: Sequence[ImageFile], progress: Progress) -> tuple[_Examined, list[Problem], list[Problem]]:
    """Examinations by file, files that give no image, and remarks on those that do."""
    groups = [images[start : start + _FILES_PER_TASK] for start in range(0, len(images), _FILES_PER_TASK)]
    examined: _Examined = {}
    bad: list[Problem] = []
    remarks: list[Problem] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress("check", len(images)) as advance:
        for outcomes in pool.map(_outcomes, groups):
            for image, outcome in outcomes:
                if isinstance(outcome, BadImage):
                    bad.append(_problem(image, outcome.reason, outcome.detail, used=False))
                else:
                    examined[image.file] = outcome._replace(remarks=())
                    remarks += [_problem(image, *remark) for remark in outcome.remarks]
            advance(len(outcomes))
    return examined, bad, remarks


def _outcomes(images: Sequence[ImageFile]) -> list[_Outcome]:
    return [(image, _outcome(image)) for image in images]


def _outcome(image: ImageFile) -> Examination | BadImage:
    try:
        return examine(image.path.read_bytes(), image.file)
    except BadImage as bad:
        return bad
    except OSError as error:
        return BadImage(reason="unreadable", detail=error.strerror or str(error), lasting=False)


def _problem(image: ImageFile, reason: str, detail: str, used: bool = True) -> Problem:
    return Problem(file=image.file, reason=reason, detail=detail, used=used)


def _named_by_side(problems: Sequence[Problem], manifest: Manifest) -> list[Problem]:
    """Duplicates, those over two sides of a split under a name of their own."""
    copies = {one.file for one in problems}
    hashes = {image.sha256 for image in manifest.images if image.file in copies}
    sides: defaultdict[str, set[str | None]] = defaultdict(set)
    for image in manifest.images:
        if image.sha256 in hashes:
            sides[image.sha256].add(image.side)
    over = {image.file for image in manifest.images if len(sides.get(image.sha256, ())) > 1}
    return [
        one.model_copy(update={"reason": "two-sides"}) if one.reason == "duplicate" and one.file in over else one
        for one in problems
    ]


def _likes(images: Sequence[ImageFile], examined: _Examined) -> list[tuple[ImageFile, ImageFile]]:
    """All images that look like another one, but the first of each such group, each with one that it looks like."""
    pairs = list(alike([examined[image.file].signature for image in images]))
    likes: dict[int, int] = {}
    for one, other in [*pairs, *((other, one) for one, other in pairs)]:
        likes[one] = min(other, likes.get(one, other))
    groups = connected(len(images), pairs)
    return [(images[place], images[likes[place]]) for place in sorted(likes) if groups[place] != place]


def _likeness(one: ImageFile, first: ImageFile) -> Problem:
    if one.labels != first.labels:
        return _problem(one, "alike-two-labels", f"looks like {first.file}, which is {text_of(first.labels)!r}")
    if one.side != first.side:
        return _problem(one, "alike-two-sides", f"looks like {first.file}, on the other side of the split")
    return _problem(one, "near-duplicate", f"looks like {first.file}")


def _record(
    manifest: Manifest,
    examined: _Examined,
    problems: list[Problem],
    likes: list[tuple[ImageFile, ImageFile]],
    most_bad: float,
    seconds: float,
) -> CheckRecord:
    of_files = [one for one in problems if one.reason not in _OF_NO_IMAGE]
    ruled_out = {one.file for one in of_files if not one.used}
    files = len({image.file for image in manifest.images} | {one.file for one in of_files})
    classes = _class_counts(manifest, ruled_out)
    least = min((one.images for one in classes), default=0)
    sides = [min(one.size) for one in examined.values()]
    return CheckRecord(
        folder=manifest.folder,
        created=now(),
        files=files,
        usable=files - len(ruled_out),
        classes=classes,
        imbalance=max(one.images for one in classes) / least if least else None,
        formats=dict(Counter(one.format for one in examined.values()).most_common()),
        shorter_side=(min(sides), round(statistics.median(sides)), max(sides)) if sides else None,
        reasons=dict(Counter(one.reason for one in problems).most_common()),
        problems=problems,
        likes={one.file: like.file for one, like in likes},
        bad_share=len(ruled_out) / files if files else 0.0,
        most_bad=most_bad,
        seconds=seconds,
        images_per_second=len(manifest.images) / seconds,
    )


def _class_counts(manifest: Manifest, ruled_out: set[str]) -> list[ClassCount]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in manifest.kind.counted(manifest.classes)}
    for image in manifest.images:
        for name in manifest.kind.strata(image.labels):
            counts[name]["not_used" if image.file in ruled_out else image.side or "unsplit"] += 1
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
    by_class: dict[str, list[ImageFile]] = {name: [] for name in manifest.classes}
    for image in manifest.images:
        for name in manifest.kind.strata(image.labels) if image.file not in ruled_out else ():
            by_class[name].append(image)
    # By hash: some of all, and the same ones each time.
    shown = {name: sorted(some, key=lambda one: one.sha256)[:each] for name, some in by_class.items()}
    of_reasons = set(_of_each_reason(record.problems))
    likes = {record.likes[file] for file in of_reasons if file in record.likes}
    wanted = {image.file for some in shown.values() for image in some} | of_reasons | likes
    chosen = [image for image in manifest.images if image.file in wanted]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        drawn = zip(chosen, pool.map(_thumbnail, chosen), strict=True)
        thumbnails = {image.file: thumbnail for image, thumbnail in drawn if thumbnail}
    return {name: [image.file for image in some] for name, some in shown.items()}, thumbnails


def _of_each_reason(problems: Iterable[Problem]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for one in problems:
        if seen[one.reason] < THUMBNAILS_PER_REASON:
            seen[one.reason] += 1
            yield one.file


def _thumbnail(image: ImageFile) -> bytes:
    try:
        return thumbnail_from(image.path.read_bytes())
    except (BadImage, OSError):
        return b""
