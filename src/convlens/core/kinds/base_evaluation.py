"""What the evaluations of all tasks have in common."""

from collections.abc import Iterator

from convlens.core.records import Record, former_names


class Evaluation(Record):
    """How a network did on one set of images; the fields depend on the task."""

    _former = former_names(pictures="images", target="task")

    def contradiction(self) -> str | None:
        """What is at odds inside of the record; None where nothing in it depends on anything else in it."""
        return None

    def detail_lines(self) -> Iterator[str]:
        """More than the record's `lines`, for a person who asked for an evaluation; nothing by default."""
        return iter(())
