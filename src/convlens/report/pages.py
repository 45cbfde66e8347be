"""The templates of all pages, as one environment: everything that comes from a person is escaped."""

import jinja2
import markupsafe

from convlens.report.formatting import FILTERS
from convlens.report.scripts import script, script_hash

PAGES = jinja2.Environment(
    loader=jinja2.PackageLoader("convlens.report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.filters.update(FILTERS)
PAGES.globals.update(script=script, script_hash=script_hash)


def within_a_page(json: str) -> markupsafe.Markup:
    """JSON to stand in a page, which no text in it can end early: every < stands as its escape."""
    return markupsafe.Markup(json.replace("<", "\\u003c"))
