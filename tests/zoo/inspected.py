"""Records of inspection, each made once for all tests: capturing a network takes longer than all the rest."""

from functools import cache

import convlens
from convlens.core.inspection import Inspection


@cache
def inspected(name: str) -> Inspection:
    """What `convlens.inspect` tells of a network of the zoo."""
    return convlens.inspect(name)
