"""The page on which suggested images are labeled, by keys, without a network: it gives a table of labels."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from convlens.core.files import write_atomically
from convlens.core.suggestion import SuggestionRecord
from convlens.report.formatting import jpeg_uri
from convlens.report.pages import PAGES, within_a_page


def write_suggest_page(record: SuggestionRecord, images: Mapping[str, bytes], path: Path) -> None:
    """Write the page; `images` are JPEGs by file."""
    page = PAGES.get_template("suggest.html.jinja").render(
        record=record,
        images={file: jpeg_uri(jpeg) for file, jpeg in images.items()},
        data=_embedded(record),
        command=_command(record),
    )
    write_atomically(path, page)


def _command(record: SuggestionRecord) -> str:
    return shlex.join(["convlens", "extend", record.run, record.folder, "--labels", "labels.csv"])


def _embedded(record: SuggestionRecord) -> Markup:
    """What the script reads, as JSON that cannot end the element in which it stands."""
    data = {
        "classes": record.classes,
        "suggestions": [{"file": one.file, "likeliest": list(one.likeliest.items())} for one in record.suggestions],
    }
    return within_a_page(json.dumps(data))
