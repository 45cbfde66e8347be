"""The page of a check: counts, what is wrong, and a gallery class by class, in one file without scripts."""

import base64
import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from convlens.core.check import ADVICE, CheckRecord
from convlens.core.files import write_atomically
from convlens.core.run import Problem
from convlens.report.pages import PAGES

PAGE_THUMBNAILS = 480
"""In the gallery of classes, of which each has one at least. With those of problems the page stays under 6 MB up
to so many classes; above, every class adds its thumbnail of some kilobytes."""
THUMBNAILS_PER_REASON = 24
MAX_LISTED = 200
"""Files of one reason that are listed by name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """A file and its thumbnail as a data URI, None where it has none."""

    file: str
    image: str | None
    detail: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """All files of one reason: how many, whether they are used, what to do, and the first of them."""

    reason: str
    times: int
    used: bool
    advice: str
    pictured: list[Shown]
    listed: list[Problem]


def write_check_page(
    record: CheckRecord, classes: Mapping[str, Sequence[str]], thumbnails: Mapping[str, bytes], path: Path
) -> None:
    """Write the page; `classes` are the files to be shown of each class, `thumbnails` JPEGs by file."""
    images = {file: f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" for file, jpeg in thumbnails.items()}
    page = PAGES.get_template("check.html.jinja").render(
        record=record,
        findings=_findings(record.problems, images),
        gallery=[
            (one, [Shown(file=file, image=images.get(file)) for file in classes.get(one.name, ())])
            for one in record.classes
        ],
        most=max((one.pictures for one in record.classes), default=0) or 1,
    )
    write_atomically(path, page)


def _findings(problems: Sequence[Problem], images: Mapping[str, str]) -> list[Finding]:
    """By reason: first what cannot be used, then the most frequent."""
    by_reason: defaultdict[str, list[Problem]] = defaultdict(list)
    for one in problems:
        by_reason[one.reason].append(one)
    found = [
        Finding(
            reason=reason,
            times=len(some),
            used=all(one.used for one in some),
            advice=ADVICE.get(reason, "nothing to do"),
            pictured=[
                Shown(file=one.file, image=images[one.file], detail=one.detail)
                for one in some[:THUMBNAILS_PER_REASON]
                if one.file in images
            ],
            listed=some[:MAX_LISTED],
        )
        for reason, some in by_reason.items()
    ]
    return sorted(found, key=lambda one: (one.used, -one.times))
