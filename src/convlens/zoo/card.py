"""What is known about a network before it is built."""

from typing import Literal

from convlens.core.preprocessing import Preprocessing
from convlens.core.records import Record


class NetworkCard(Record):
    """A network's name, source, last layer and input."""

    name: str
    year: int | None
    """Of the first version of the paper; None where it is not known."""
    paper: str
    head: str
    """Dotted name of the last layer, the one that gives one number per class."""
    classes: int = 1000
    data: str | None = "imagenet"
    """The data set whose classes these are (`class_names(data)`); None where their names are not known."""
    preprocessing: Preprocessing = Preprocessing()
    input_shape: tuple[int, ...] = (3, 224, 224)
    """Of one example as the paper has it: channels, then the spatial axes."""
    least_size: int = 1
    """Least side of an input (pixels, time steps) that it can take; below that a window no longer fits."""
    output: Literal["scores", "maps"] = "scores"
    """One number per class, or one per class and place (dense prediction, sequences)."""
    auxiliary_weight: float | None = None
    """What the loss of each auxiliary classifier counts in training; None for a network without any."""
    dropped_weights: tuple[str, ...] = ()
    """How names begin of tensors that published files have and the network leaves out."""
    license: str | None = None
    """Of the weights that another library downloads, in its words."""
    input_note: str | None = None
    """What its publisher does to images and convlens does not; None where they are treated alike."""
    fixed_size: bool = False
    """Whether it is made for inputs of one size, by its position embeddings or its windows."""
    package_weights: bool = False
    """Whether trained weights travel in the package (`weights="package"`)."""
