"""The record of an extension: classes or images that a run was given after it was trained."""

from convlens.core.records import Record


class Extension(Record):
    """What was added to a run, and how well its own classes are told before and after that.

    Both accuracies are of the validation images of the run before, those that can still be had.
    """

    run: str
    """The run before, which stays as it is."""
    folder: str
    """Where the added images are."""
    new_classes: list[str]
    """None where images of known classes were added."""
    train: int
    """Added images that are trained on."""
    val: int
    """Added images that are validated on."""
    lost: int
    """Images of the run before that can be had no more, neither from its folder nor from the feature store."""
    compared: int
    """Validation images of the run before."""
    before: float
    """The part of them that the run before is right about."""
    after: float
    interval: tuple[float, float]
    """95%, of after less before, paired by image."""
    p_value: float
    """Two-sided, for no difference."""
    taken_for_new: int
    """Of them, those that are now said to be of a new class."""
