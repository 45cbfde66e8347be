"""The page of a search: an image, and those most like it, in one file without scripts."""

from collections.abc import Sequence
from pathlib import Path

from convlens.core.embedding import SimilarRecord
from convlens.core.files import write_atomically
from convlens.report.formatting import jpeg_uri
from convlens.report.pages import PAGES


def write_similar_page(record: SimilarRecord, image: bytes, similar: Sequence[bytes], path: Path) -> None:
    """Write the page; `image` and `similar` are JPEGs, those in the order of the record."""
    page = PAGES.get_template("similar.html.jinja").render(
        record=record, image=jpeg_uri(image), similar=[*zip(record.similar, map(jpeg_uri, similar), strict=True)]
    )
    write_atomically(path, page)
