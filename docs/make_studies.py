"""Draws the pages of docs/studies anew from their records, and writes what was found as docs/studies/README.md."""

from collections.abc import Iterator
from pathlib import Path

from convlens.core.claims import CLAIMS
from convlens.core.complexity import COMPLEXITY_FILE, ComplexityStudy
from convlens.core.durations import duration
from convlens.core.study import STUDY_FILE, StudyRecord
from convlens.report.study import write_study_index

FOLDER = Path(__file__).parent / "studies"
HEAD = """# Claims of the field, measured

Made by `make reference` from the records in these folders, each of which holds the page of its study (`study.html`,
to be opened in a browser; `index.html` lists them). Every number was measured by the command that stands with it.
`tiny-imagenet` is Tiny ImageNet, 200 classes of 64 x 64 pixels, and `t10` its first ten classes; `hymenoptera` are the
ants and bees of PyTorch's transfer learning tutorial. Times are those of a shared machine with other work to do, often
on one of two cores.

"agrees" and "disagrees" are said where a paired test over seeds shows a difference at 5%, or theory gives the number;
all else is "not shown", with the interval that it was measured to.
"""


def text() -> str:
    """The whole document."""
    records = {path: StudyRecord.from_json(path.read_bytes(), str(path)) for path in FOLDER.glob(f"*/{STUDY_FILE}")}
    order = sorted(records, key=lambda path: ([*CLAIMS].index(records[path].name), path.parent.name))
    parts = [HEAD, *("\n".join(_section(path, records[path])) for path in order)]
    parts += ["\n".join(_complexity(path)) for path in sorted(FOLDER.glob(f"*/{COMPLEXITY_FILE}"))]
    return "\n".join(parts)


def _section(path: Path, record: StudyRecord) -> Iterator[str]:
    claim = CLAIMS[record.name]
    variant = "" if path.parent.name == record.name else f" ({path.parent.name})"
    yield f"## {claim.title}{variant}\n"
    yield f"{claim.claim} ({claim.source})\n"
    yield f"`{record.command}`: {len(record.measured)} cases in {duration(record.seconds)}, {record.made[:10]},"
    yield f"{record.machine}.\n"
    yield from (f"- **{one.verdict}**: {one.sentence}" for one in record.conclusion.findings)
    if record.conclusion.caveat:
        yield f"\n{record.conclusion.caveat}"
    yield ""


def _complexity(path: Path) -> Iterator[str]:
    record = ComplexityStudy.from_json(path.read_bytes(), str(path))
    yield "## Accuracy against complexity\n"
    yield f"`convlens study complexity`: {len(record.points)} networks, batches of {record.batch}, {record.made[:10]},"
    yield f"{record.machine}.\n"
    yield "| network | top-1 % | multiply-adds, G | parameters, M | images/s | memory of a batch, MB |"
    yield "|---|---|---|---|---|---|"
    for one in sorted(record.points, key=lambda point: -point.top1):
        speed = f"{one.images_per_second:.1f}" if one.images_per_second else ""
        memory = f"{one.peak_bytes / 1e6:.0f}" if one.peak_bytes else ""
        yield (
            f"| {one.name} | {one.top1:.2f} | {one.multiply_adds / 1e9:.2f} | {one.parameters / 1e6:.1f} | {speed} | "
            f"{memory} |"
        )


def main() -> None:
    """Write README.md, the pages and their index."""
    write_study_index(FOLDER)
    (FOLDER / "README.md").write_text(text())


if __name__ == "__main__":
    main()
