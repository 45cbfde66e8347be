"""The page of a check: counts, what is wrong, and a gallery class by class, in one file without scripts."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from convlens.core.check import ADVICE, CheckRecord, balance_told
from convlens.core.files import write_atomically
from convlens.core.run import Problem
from convlens.report.formatting import count, counted, duration, jpeg_uri, percent
from convlens.report.pages import PAGES

PAGE_THUMBNAILS = 480
"""In the gallery of classes, of which each has one at least. With those of problems the page stays under 6 MB up
to so many classes; above, every class adds its thumbnail of some kilobytes."""
THUMBNAILS_PER_REASON = 24
_OF_PAIRS = {"near-duplicate", "alike-two-labels", "alike-two-sides"}
"""Findings on an image and what it looks like, which stand side by side."""
MAX_LISTED = 200
"""Files of one reason that are listed by name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """A file and its thumbnail as a data URI, None where it has none."""

    file: str
    image: str | None
    detail: str = ""
    like: "Shown | None" = None
    """What it looks like, where that is the finding."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """All files of one reason: how many, whether they are used, what to do, and the first of them."""

    reason: str
    times: int
    used: bool
    advice: str
    imaged: list[Shown]
    listed: list[Problem]


def write_check_page(
    record: CheckRecord, classes: Mapping[str, Sequence[str]], thumbnails: Mapping[str, bytes], path: Path
) -> None:
    """Write the page; `classes` are the files to be shown of each class, `thumbnails` JPEGs by file."""
    images = {file: jpeg_uri(jpeg) for file, jpeg in thumbnails.items()}
    page = PAGES.get_template("check.html.jinja").render(
        record=record,
        summary=" ".join(_summary(record)),
        findings=_findings(record, images),
        gallery=[
            (one, [Shown(file=file, image=images.get(file)) for file in classes.get(one.name, ())])
            for one in record.classes
        ],
        most=max((one.images for one in record.classes), default=0) or 1,
    )
    write_atomically(path, page)


def _summary(record: CheckRecord) -> Iterator[str]:
    """Sentences on the folder as a whole."""
    checked = f"{counted(record.files, 'file')} checked in {duration(record.seconds)}."
    yield f"{checked} {percent(record.bad_share)} cannot be used (allowed: {percent(record.most_bad)})."
    if balance := balance_told(record):
        yield f"{balance}."
    if record.formats:
        yield f"Formats: {', '.join(f'{count(times)} {name}' for name, times in record.formats.items())}."
    if record.shorter_side:
        least, median, most = record.shorter_side
        yield f"Shorter sides: {least} to {most} pixels, median {median}."


def _findings(record: CheckRecord, images: Mapping[str, str]) -> list[Finding]:
    """By reason: first what cannot be used, then the most frequent."""
    by_reason: defaultdict[str, list[Problem]] = defaultdict(list)
    for one in record.problems:
        by_reason[one.reason].append(one)
    found = [
        Finding(
            reason=reason,
            times=len(some),
            used=all(one.used for one in some),
            advice=ADVICE.get(reason, "nothing to do"),
            imaged=[
                Shown(
                    file=one.file,
                    image=images[one.file],
                    detail=one.detail,
                    like=_shown(record.likes.get(one.file), images) if one.reason in _OF_PAIRS else None,
                )
                for one in some[:THUMBNAILS_PER_REASON]
                if one.file in images
            ],
            listed=some[:MAX_LISTED],
        )
        for reason, some in by_reason.items()
    ]
    return sorted(found, key=lambda one: (one.used, -one.times))


def _shown(file: str | None, images: Mapping[str, str]) -> Shown | None:
    return Shown(file=file, image=images[file]) if file is not None and file in images else None
