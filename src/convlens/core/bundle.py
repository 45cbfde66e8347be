"""The bundle: a trained network as model.safetensors and model.json, enough to predict, with no pickle anywhere."""

from typing import Literal

from convlens.core.preprocessing import Preprocessing
from convlens.core.records import Record

MODEL_FILE = "model.safetensors"
BUNDLE_FILE = "model.json"


class Bundle(Record):
    """model.json: how to build the network, feed it, and read its output; `sha256` is that of model.safetensors."""

    kind: Literal["convlens.bundle"] = "convlens.bundle"
    version: Literal[1] = 1
    backbone: str
    classes: list[str]
    preprocessing: Preprocessing
    precision: Literal["fp32", "bf16"]
    sha256: str
