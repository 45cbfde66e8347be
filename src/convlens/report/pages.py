"""The templates of all pages, as one environment: everything that comes from a person is escaped."""

import base64
import hashlib
from pathlib import Path

import jinja2
import markupsafe

from convlens.report.formatting import FILTERS

_TEMPLATES = Path(__file__).parent / "templates"


def script(name: str) -> markupsafe.Markup:
    """One of our own scripts, to stand in a page as it is."""
    return markupsafe.Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def script_hash(name: str) -> str:
    """By which a Content-Security-Policy allows that script and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script(name).encode()).digest()).decode()


PAGES = jinja2.Environment(
    loader=jinja2.PackageLoader("convlens.report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGES.filters.update(FILTERS)
PAGES.globals.update(script=script, script_hash=script_hash)
