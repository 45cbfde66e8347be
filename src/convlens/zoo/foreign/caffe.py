"""Files of Caffe (`.caffemodel`): a NetParameter in protocol buffers, read field by field.

Only what holds the arrays of layers is read: of caffe.proto the fields `layers` (2) and `layer` (100) of NetParameter,
their name (4, or 1) and blobs (6, or 7), and of BlobProto data (5), shape (7), and num, channels, height, width (1-4).
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convlens.core.errors import DataError
from convlens.zoo.foreign.layer import Layer

_FIELDS = {2: (4, 6), 100: (1, 7)}
"""Field of NetParameter -> fields of the layer's name and blobs, in the older and the newer form."""
_DATA, _SHAPE, _FOUR_AXES = 5, 7, (1, 2, 3, 4)
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


def read_caffe(path: Path) -> list[Layer]:
    """The layers of a file that have arrays. Raises DataError for a file that is damaged or holds none."""
    try:
        layers = [
            Layer(name, blobs)
            for number, content in _fields(memoryview(path.read_bytes()))
            if number in _FIELDS and isinstance(content, memoryview)
            for name, blobs in [_layer(content, *_FIELDS[number])]
            if blobs
        ]
    except (ValueError, IndexError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read as a model of Caffe: {error}. Download it again.") from error
    if not layers:
        raise DataError(f"{path} is no model of Caffe with weights. Name the file .caffemodel that holds them.")
    return layers


def _layer(content: memoryview, name_field: int, blobs_field: int) -> tuple[str, tuple[Tensor, ...]]:
    name, blobs = "", []
    for number, value in _fields(content):
        if number == name_field and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif number == blobs_field and isinstance(value, memoryview):
            blobs.append(_blob(value))
    return name, tuple(blobs)


def _blob(content: memoryview) -> Tensor:
    """An array; the older form has four axes always, so that leading ones are left out."""
    data: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
    shape: list[int] = []
    axes: dict[int, int] = {}
    for number, value in _fields(content):
        if number == _DATA and isinstance(value, memoryview):
            data.append(np.frombuffer(value, "<f4"))
        elif number == _SHAPE and isinstance(value, memoryview):
            shape = [size for _, sizes in _fields(value) for size in _sizes(sizes)]
        elif number in _FOUR_AXES and isinstance(value, int):
            axes[number] = value
    values = torch.from_numpy(np.concatenate(data) if data else np.empty(0, np.float32))
    if not shape:
        shape = [axes.get(number, 1) for number in _FOUR_AXES]
        while len(shape) > 1 and shape[0] == 1:
            shape = shape[1:]
    if math.prod(shape) != values.numel():
        raise ValueError(f"an array of {shape} has {values.numel()} values")
    return values.reshape(shape)


def _sizes(value: int | memoryview) -> Iterator[int]:
    """Of a field of whole numbers, packed or one by one."""
    if isinstance(value, int):
        yield value
        return
    place = 0
    while place < len(value):
        size, place = _varint(value, place)
        yield size


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of every field of a message: whole numbers, or bytes."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(content, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(content, place)
        elif kind in (_FOUR_BYTES, _EIGHT_BYTES):
            length = 4 if kind == _FOUR_BYTES else 8
        else:
            raise ValueError(f"field {number} has the unknown form {kind}")
        if place + length > len(content):
            raise ValueError("it ends early")
        yield number, content[place : place + length]
        place += length


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return value, place
