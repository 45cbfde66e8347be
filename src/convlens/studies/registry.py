"""All studies by name, in their quick form and in full."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from convlens.core.claims import CLAIMS
from convlens.core.errors import UsageError
from convlens.studies.depth import Depth
from convlens.studies.dilation import Dilation
from convlens.studies.gradients import Gradients
from convlens.studies.sgd import Sgd
from convlens.studies.study import Study

_QUICK: Mapping[str, Callable[[], Study]] = MappingProxyType(
    {"depth": Depth, "gradients": Gradients, "sgd": Sgd, "dilation": Dilation}
)
_FULL: Mapping[str, Callable[[], Study]] = MappingProxyType(
    {
        "depth": lambda: Depth(size=32, images=1_000_000, validation=1_000_000, epochs=200, augment=True),
        "gradients": lambda: Gradients(seeds=50, width=1024),
        "sgd": lambda: Sgd(
            images=600,
            validation=100,
            sizes=tuple(2**k for k in range(13)),
            draws=100,
            batch_sizes=(1, 4, 16, 64, 256, 1024),
            mlp_rates=tuple(10 ** (k / 4) for k in range(-10, 6)),
            convnet_rates=tuple(10 ** (k / 4) for k in range(-16, -1)),
            epochs=30,
        ),
        "dilation": lambda: Dilation(
            seeds=10,
            deepest=8,
            layers=6,
            distances=(3, 6, 7, 15, 30, 45, 63, 64, 70),
            channels=16,
            images=1000,
            validation=500,
        ),
    }
)


def study_named(name: str, folders: Sequence[Path] = (), *, full: bool = False, seeds: int | None = None) -> Study:
    """A study by name, on these folders of images, with another number of seeds than its own where one is given.

    Raises UsageError for an unknown name, and for folders where the study takes none.
    """
    if name not in _QUICK:
        raise UsageError(f"there is no study {name!r}; there are {', '.join(_QUICK)}.")
    if folders and not CLAIMS[name].images:
        raise UsageError(f"the study {name} takes no images; leave {folders[0]} out.")
    study = (_FULL if full else _QUICK)[name]()
    return dataclasses.replace(study, folders=tuple(folders), seeds=study.seeds if seeds is None else seeds)
