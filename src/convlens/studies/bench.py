"""Where a study works: its images, and the runs of the case that is measured."""

import dataclasses
import shutil
from pathlib import Path

from convlens.core.progress import Progress, silent
from convlens.studies.chosen_images import ChosenImages, chosen_images


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Where a study works: a folder of its own for images and runs, which goes when the study is finished."""

    folder: Path
    progress: Progress = silent
    case: str = ""
    """The case that is measured, as part of a name."""
    _chosen: dict[tuple[object, ...], ChosenImages] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def images(self) -> Path:
        """Where `prepare` lays out images."""
        return self.folder / "images"

    def chosen(self, folder: Path | None, *, classes: int | None, train: int, val: int) -> ChosenImages:
        """As `chosen_images`, once for all cases: reading all of a folder may take long."""
        key = (folder, classes, train, val)
        if key not in self._chosen:
            self._chosen[key] = chosen_images(folder, self.folder / "digits", classes=classes, train=train, val=val)
        return self._chosen[key]

    @property
    def runs(self) -> Path:
        """Runs of the case that is measured; they go when it is."""
        return self.folder / "runs"

    def run(self) -> Path:
        """The place for the run of a case: what was broken off there goes on from its checkpoint.

        A run that was finished before its case was measured is taken away: what it was trained from is not known.
        """
        run = self.runs / self.case
        if run.is_dir():
            shutil.rmtree(run)
        return run
