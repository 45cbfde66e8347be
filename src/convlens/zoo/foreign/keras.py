"""Files of Keras: `.h5` as Keras 1 and 2 wrote it, `.weights.h5` and `.keras` of Keras 3.

In the first every layer lists its arrays by name (`weight_names`); in the others they are numbered, and the group that
holds them has the layer's name.
"""

import importlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convlens.core.errors import DataError, MachineError
from convlens.zoo.foreign.layer import Layer

_WEIGHTS_IN_ARCHIVE = "model.weights.h5"


def read_keras(path: Path) -> list[Layer]:
    """The layers of a file that have arrays.

    Raises MachineError where the library for HDF5 is missing, DataError for a file that is damaged or holds none.
    """
    try:
        h5py = importlib.import_module("h5py")  # an extra, which is needed for such files alone
    except ImportError:
        raise MachineError(
            f"{path} is a file of Keras, and the library h5py, which reads it, is not installed. Install it: "
            "pip install 'convlens[keras]'."
        ) from None
    try:
        with h5py.File(_content(path), "r") as file:
            root = file.get("model_weights", file)
            layers = list(_listed(root) if "layer_names" in root.attrs else _numbered(root))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as a file of Keras: {error}. Download it again.") from error
    if not layers:
        raise DataError(f"{path} is a file of HDF5 or Keras without weights of layers. Save model.save_weights(...).")
    return layers


def _content(path: Path) -> Path | io.BytesIO:
    if not zipfile.is_zipfile(path):
        return path
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read(_WEIGHTS_IN_ARCHIVE))


def _listed(root: Any) -> Iterator[Layer]:
    """Of Keras 1 and 2: a group for each layer of the model, which may be a model of several layers itself."""
    for group_name in map(_text, root.attrs["layer_names"]):
        group = root[group_name]
        layers: dict[str, list[Tensor]] = {}
        for name in map(_text, group.attrs["weight_names"]):
            parts = name.split("/")
            layers.setdefault(parts[-2] if len(parts) > 1 else group_name, []).append(_tensor(group[name]))
        yield from (Layer(name, tuple(arrays)) for name, arrays in layers.items())


def _numbered(root: Any) -> Iterator[Layer]:
    """Of Keras 3: groups "vars" with arrays "0", "1" ..., in any nesting; the optimizer's left out."""
    for key, group in root.items():
        if key == "vars" and len(group):
            arrays = [group[number] for number in sorted(group, key=int)]
            yield Layer(_text(group.attrs.get("name", root.name)), tuple(map(_tensor, arrays)))
        elif hasattr(group, "items") and key not in ("vars", "optimizer", "metrics"):
            yield from _numbered(group)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _tensor(data: Any) -> Tensor:
    return torch.from_numpy(np.asarray(data[()], dtype=np.float32))
