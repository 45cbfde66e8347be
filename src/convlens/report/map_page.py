"""The page of a map: images in a plane that can be moved and enlarged, in one file."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path

from convlens.core.embedding import MapRecord
from convlens.core.files import write_atomically
from convlens.report.formatting import jpeg_uri
from convlens.report.pages import PAGES, within_a_page

CELL = 64
"""Pixels a side of an image on the sheet."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapPoint:
    """An image in the plane; its place among the points is that on the sheet."""

    x: float
    y: float
    group: int
    file: str


def columns_of(count: int) -> int:
    """Images in a row of the sheet."""
    return max(1, math.isqrt(count - 1) + 1)


def write_map_page(record: MapRecord, points: Sequence[MapPoint], sheet: bytes, path: Path) -> None:
    """Write the page; `sheet` is a JPEG of all images in rows of `columns_of`."""
    columns = columns_of(len(points))
    data = {
        "cell": CELL,
        "columns": columns,
        "groups": [one.name for one in record.groups],
        "points": [[round(one.x, 4), round(one.y, 4), one.group, one.file] for one in points],
    }
    places = {one.file: place for place, one in enumerate(points)}
    page = PAGES.get_template("map.html.jinja").render(
        record=record,
        sheet=jpeg_uri(sheet),
        cell=CELL,
        columns=columns,
        rows=-(-len(points) // columns),
        central=[[(file, *divmod(places[file], columns)) for file in one.central] for one in record.groups],
        data=within_a_page(json.dumps(data, ensure_ascii=False, separators=(",", ":"))),
    )
    write_atomically(path, page)
