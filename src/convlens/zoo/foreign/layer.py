"""A layer of another framework, as its file has it."""

from typing import NamedTuple

from torch import Tensor


class Layer(NamedTuple):
    """Its name and its arrays, in the order of the file.

    Of a convolution or a fully connected layer kernel and bias; of a batch normalization scale, shift, mean and
    variance (Keras), or mean, variance and what both are to be divided by, with scale and shift in a layer of their
    own (Caffe).
    """

    name: str
    arrays: tuple[Tensor, ...]
