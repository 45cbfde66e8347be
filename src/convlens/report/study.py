"""The page of a study, and the index of those that lie side by side: drawn from records, nothing is run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from convlens.core.claims import CLAIMS, INDEX_PAGE, STUDY_PAGE, Claim
from convlens.core.complexity import COMPLEXITY_FILE, ComplexityStudy
from convlens.core.files import write_atomically
from convlens.core.study import STUDY_FILE, Chart, Finding, StudyRecord
from convlens.report.complexity import PAGE_FILE as COMPLEXITY_PAGE
from convlens.report.complexity import write_complexity_pages
from convlens.report.pages import PAGES
from convlens.report.study_charts import chart_svg, heat_map_svg, legend


def write_study_page(record: StudyRecord, folder: Path, *, indexed: bool = False, running: Chart | None = None) -> Path:
    """The path of the page; beside it lies the record. While cases are missing, an open page loads itself anew.

    It leads to the index where there is one, or is about to be one (`indexed`); `running` are the curves of the case
    that is being measured, which the record does not keep.
    """
    conclusion = record.conclusion
    charts = [*([running] if running else []), *conclusion.charts]
    page = PAGES.get_template("study.html.jinja").render(
        record=record,
        claim=CLAIMS[record.name],
        charts=[(chart, legend(chart), chart_svg(chart)) for chart in charts],
        heat_maps=[(one, heat_map_svg(one)) for one in conclusion.heat_maps],
        indexed=indexed or (folder.parent / INDEX_PAGE).is_file(),
    )
    write_atomically(folder / STUDY_FILE, record.to_json())
    write_atomically(folder / STUDY_PAGE, page)
    return folder / STUDY_PAGE


class _Entry(NamedTuple):
    """A study in the index."""

    title: str
    claim: str
    source: str
    page: str
    findings: Sequence[Finding]
    state: str


def write_study_index(folder: Path) -> Path | None:
    """Draw the pages of all studies in the folders of this one anew, from their records, and a page that lists them.

    None where there are none. Raises DataError for a record that cannot be read.
    """
    entries = [*_entries(folder)]
    if not entries:
        return None
    write_atomically(folder / INDEX_PAGE, PAGES.get_template("studies.html.jinja").render(entries=entries))
    return folder / INDEX_PAGE


def _entries(folder: Path) -> Iterator[_Entry]:
    order = [*CLAIMS]
    records = [
        (path, StudyRecord.from_json(path.read_bytes(), str(path))) for path in sorted(folder.glob(f"*/{STUDY_FILE}"))
    ]
    for path, record in sorted(records, key=lambda pair: order.index(pair[1].name)):
        page = write_study_page(record, path.parent, indexed=True)
        yield _study_entry(record, CLAIMS[record.name], f"{path.parent.name}/{page.name}")
    for path in sorted(folder.glob(f"*/{COMPLEXITY_FILE}")):
        yield _complexity_entry(ComplexityStudy.from_json(path.read_bytes(), str(path)), path.parent)


def _study_entry(record: StudyRecord, claim: Claim, page: str) -> _Entry:
    state = f"{record.form}, {record.made}" if record.finished else f"{len(record.measured)} of {record.planned} cases"
    return _Entry(
        title=claim.title,
        claim=claim.claim,
        source=claim.source,
        page=page,
        findings=record.conclusion.findings,
        state=state,
    )


def _complexity_entry(record: ComplexityStudy, folder: Path) -> _Entry:
    write_complexity_pages(record, folder)
    return _Entry(
        title="Accuracy against complexity",
        claim="Among the networks of ImageNet, accuracy costs; what it costs differs by an order of magnitude.",
        source="Canziani, Culurciello, Paszke, arXiv:1605.07678",
        page=f"{folder.name}/{COMPLEXITY_PAGE}",
        findings=[],
        state=f"{len(record.points)} networks, {record.made}",
    )
