"""The page of `convlens export --to browser`."""

from convlens.core.exported import ExportCard
from convlens.report.pages import PAGES

PAGE_FILE, MODEL_FILE, CARD_FILE, RUNTIME_FOLDER = "index.html", "model.onnx", "card.json", "runtime"


def browser_page(card: ExportCard) -> str:
    """The page as text; it asks for the files of its own folder, and nobody for anything else."""
    return PAGES.get_template("browser.html.jinja").render(card=card)
