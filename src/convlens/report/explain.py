"""The page of `convlens explain`: one file with the record, and a script that draws it and asks nothing of anybody."""

from pathlib import Path

from convlens.core.explanation import Explanation
from convlens.core.files import write_atomically
from convlens.report.pages import PAGES, within_a_page


def explanation_page(explanation: Explanation) -> str:
    """The page as text; the same record gives the same bytes.

    A Content-Security-Policy allows no request and no script but this one, by its hash.
    """
    return PAGES.get_template("explain.html.jinja").render(
        explanation=explanation, data=within_a_page(explanation.model_dump_json())
    )


def write_explanation_page(explanation: Explanation, path: Path) -> Path:
    """The path of the page, written there."""
    write_atomically(path, explanation_page(explanation))
    return path
