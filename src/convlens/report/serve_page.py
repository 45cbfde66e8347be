"""The page of `convlens serve`."""

import functools

from convlens.report.pages import PAGES
from convlens.report.scripts import script_hash


@functools.cache
def serve_page() -> str:
    """The page as text; it asks the service that it came from, and nobody else."""
    return PAGES.get_template("serve.html.jinja").render()


@functools.cache
def serve_page_policy() -> str:
    """The Content-Security-Policy under which it is sent: one script, by its hash, and requests to its own service."""
    return (
        f"default-src 'none'; script-src '{script_hash('ask/service_page.js')}'; style-src 'unsafe-inline'; "
        "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
