"""The whole model, from decoded pixels to answers, as one module that a compiler can trace."""

import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing
from convlens.exports.resize import resized_center
from convlens.training.task import Task


class WholeModel(nn.Module):
    """Resize and crop, normalization, network, and what its outputs mean: the run as one function of pixels.

    Takes images of one size, any size, of shape (N, H, W, 3), uint8, RGB; gives float32 of shape (N, classes):
    probabilities of classes or labels, or numbers in their own units.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, task: Task) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(3, 1, 1))
        self._preprocessing, self._task = preprocessing, task

    def forward(self, pixels: Tensor) -> Tensor:
        """The answers; the same arithmetic as `data.batches.normalized`."""
        crop = resized_center(pixels, self._preprocessing).to(torch.float32)
        outputs = self.network(crop * (1 / (255 * self.std)) - self.mean / self.std)
        return self._task.answers(outputs).to(torch.float32)


class BareModel(nn.Module):
    """The network and what its outputs mean, for programs with their own front end.

    Takes what `preprocessing` makes of images, of shape (N, 3, size, size), float32; answers as `WholeModel` does.
    """

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network, self._task = network, task

    def forward(self, inputs: Tensor) -> Tensor:
        """The answers."""
        return self._task.answers(self.network(inputs)).to(torch.float32)
