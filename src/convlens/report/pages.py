"""The templates of all pages, as one environment: everything that comes from a person is escaped."""

import jinja2

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
