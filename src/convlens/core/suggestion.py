"""The record of a suggestion: which unlabeled images are to be labeled next."""

from typing import Literal

from convlens.core.records import Record
from convlens.core.run import Problem


class SuggestedImage(Record):
    """One unlabeled image, with what the run says of it."""

    file: str
    """Relative to the folder."""
    sha256: str
    likeliest: dict[str, float]
    """Calibrated probabilities of the likeliest classes, up to nine, the likeliest first."""

    @property
    def margin(self) -> float:
        """By how much the likeliest class is likelier than the next one: 0 where the run cannot tell the two."""
        first, second, *_ = self.likeliest.values()
        return first - second


class SuggestionRecord(Record):
    """What `convlens suggest --json` prints."""

    kind: Literal["convlens.suggestion"] = "convlens.suggestion"
    version: Literal[1] = 1
    run: str
    folder: str
    classes: list[str]
    images: int
    """Unlabeled images to choose among, each once."""
    known: int
    """Images of the folder that the run was trained or validated on, which are left out."""
    computed: int
    """Images that went through the network; features of the others were stored."""
    suggestions: list[SuggestedImage]
    """In the order in which they were chosen."""
    bad_files: list[Problem]
