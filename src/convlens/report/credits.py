"""CREDITS.html of a collection: every image's title, author and license, as the licenses want it."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from convlens.core.collection import CREDITS_FILE, Attribution
from convlens.core.files import write_atomically
from convlens.report.pages import PAGES


def write_credits(images: Sequence[Attribution], folder: Path) -> Path:
    """The path of the page, written again from the attributions. Nothing on it is fetched when it is opened."""
    classes: defaultdict[str, list[Attribution]] = defaultdict(list)
    for one in sorted(images, key=lambda one: (one.label, one.file)):
        classes[one.label].append(one)
    path = folder / CREDITS_FILE
    write_atomically(path, PAGES.get_template("credits.html.jinja").render(classes=classes, total=len(images)))
    return path
