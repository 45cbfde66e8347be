"""The page of an audit: labels to be reviewed one after the other, in one file that asks nothing of anybody."""

import base64
import dataclasses
import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from convlens.core.audit import AuditRecord, Blind, Contradiction, Neighbor, Suspect
from convlens.core.files import write_atomically
from convlens.core.leaks import TOLD
from convlens.report.pages import PAGES, within_a_page

_MOST_LEAKS = 200
_MOST = {"certain": 100, "suspect": 1000, "blind": 400, "doubt": 100}
"""Images of each part on one page, of some 15 kB each with those beside them."""
Part = Literal["certain", "suspect", "blind", "doubt"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """A class that an image may be given, with images that are of it."""

    name: str
    role: Literal["given", "suggested", ""]
    """Nothing of it is said of an image that is reviewed blind."""
    probability: float | None
    near: Sequence[Neighbor]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """An image to be reviewed."""

    part: Part
    files: Sequence[str]
    """All with the same bytes; the first one is shown."""
    cards: Sequence[Card]


def items_of(record: AuditRecord) -> list[Item]:
    """What is reviewed, in this order: certain mistakes, suspects, the sealed side, doubts."""
    labels = record.labels
    of_parts = (
        [_certain(one) for one in labels.contradictions],
        [_suspect("suspect", one) for one in labels.suspects],
        [_blind(one) for one in labels.sealed.blind] if labels.sealed else [],
        [_suspect("doubt", one) for one in labels.doubts],
    )
    return [item for items in of_parts for item in items[: _MOST[items[0].part] if items else 0]]


def _certain(one: Contradiction) -> Item:
    cards = [
        Card(
            name=name,
            role="suggested" if name == one.suggested else "",
            probability=one.suggested_probability if name == one.suggested else None,
            near=one.nearest.get(name, ()),
        )
        for name in sorted({*one.labels})
    ]
    return Item(part="certain", files=one.files, cards=cards)


def _suspect(part: Part, one: Suspect) -> Item:
    given = Card(name=one.given, role="given", probability=one.given_probability, near=one.agreeing)
    suggested = Card(name=one.suggested, role="suggested", probability=one.suggested_probability, near=one.disagreeing)
    return Item(part=part, files=[one.file, *one.copies], cards=[given, suggested])


def _blind(one: Blind) -> Item:
    nearest = zip(one.classes, (one.first, one.second), strict=True)
    cards = [Card(name=name, role="", probability=None, near=near) for name, near in nearest]
    return Item(part="blind", files=[one.file, *one.copies], cards=cards)


def neighbors_of(items: Sequence[Item]) -> set[str]:
    """The files of all images that stand beside those to be reviewed."""
    return {near.file for item in items for card in item.cards for near in card.near}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reviewed:
    """What the page holds besides the record."""

    items: Sequence[Item]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    """Of the table that the page writes: a row for each image of the folder, with its file and its label first."""
    hashes: Mapping[str, str]
    """Of the content of each image of the folder, by file."""
    images: Mapping[str, bytes]
    """JPEGs of the images to be reviewed, by file."""
    neighbors: Mapping[str, bytes]
    """Smaller ones of those beside them."""


def write_audit_page(record: AuditRecord, reviewed: Reviewed, path: Path) -> None:
    """Write the page."""
    data = json.dumps(_data(record, reviewed), ensure_ascii=False, separators=(",", ":"))
    page = PAGES.get_template("audit.html.jinja").render(
        record=record,
        labels=record.labels,
        leaks=record.leaks,
        most_leaks=_MOST_LEAKS,
        told=TOLD,
        shortcuts=record.shortcuts,
        folder=shlex.quote(record.folder),
        left_out=_left_out(record),
        data=within_a_page(data),
    )
    write_atomically(path, page)


def _left_out(record: AuditRecord) -> int:
    """How many suspects do not fit on the page."""
    return max(0, len(record.labels.suspects) - _MOST["suspect"])


def _data(record: AuditRecord, reviewed: Reviewed) -> dict[str, object]:
    """What the script reads. Classes, rows and images are numbered, and named by their numbers elsewhere."""
    classes = sorted({row[1] for row in reviewed.rows} | set(record.classes))
    number = {name: place for place, name in enumerate(classes)}
    row = {cells[0]: place for place, cells in enumerate(reviewed.rows)}
    pictures = _Images()
    items = [
        {
            "id": reviewed.hashes[item.files[0]],
            "part": item.part,
            "rows": [row[file] for file in item.files],
            "image": pictures.number(item.files[0], reviewed.images),
            "cards": [
                {
                    "class": number[card.name],
                    "role": card.role,
                    "probability": card.probability,
                    "near": [
                        [row[near.file], pictures.number(near.file, reviewed.neighbors), near.similarity]
                        for near in card.near
                    ],
                }
                for card in item.cards
            ],
        }
        for item in reviewed.items
    ]
    rows = [[cells[0], number[cells[1]], *cells[2:]] for cells in reviewed.rows]
    told = {"classes": classes, "columns": list(reviewed.columns), "rows": rows, "items": items}
    return {"key": _digest(told), "names": _digest(classes), **told, "images": list(pictures)}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]


class _Images:
    """JPEGs in base64, each once, numbered in the order in which they are asked for."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def number(self, file: str, jpegs: Mapping[str, bytes]) -> int | None:
        """Of the image of a file; None where there is none."""
        jpeg = jpegs.get(file)
        return None if jpeg is None else self._numbers.setdefault(jpeg, len(self._numbers))

    def __iter__(self) -> Iterator[str]:
        return (base64.b64encode(jpeg).decode() for jpeg in self._numbers)
