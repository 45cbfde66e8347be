"""What is known about a network before it is built."""

from convlens.core.preprocessing import Preprocessing
from convlens.core.records import Record


class NetworkCard(Record):
    """A network's name, source, last layer and input."""

    name: str
    year: int
    """Of the first version of the paper."""
    paper: str
    head: str
    """Dotted name of the last layer, the one that gives one number per class."""
    classes: int = 1000
    preprocessing: Preprocessing = Preprocessing()
    package_weights: bool = False
    """Whether trained weights travel in the package (`weights="package"`)."""
