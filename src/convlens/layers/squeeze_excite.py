"""Squeeze-and-excitation: channels weigh themselves by what the whole image shows.

Hu, Shen, Sun: Squeeze-and-Excitation Networks, CVPR 2018, arXiv:1709.01507.
"""

from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """x with each channel multiplied by a gate in 0..1, a function of the means of all channels (section 3).

    Shapes: x and the result are (batch, channels, height, width); the gates are (batch, channels, 1, 1).
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        squeezed = channels // reduction
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, kernel_size=1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(squeezed, channels, kernel_size=1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """The channels of x times their gates."""
        gates: Tensor = self.sigmoid(self.fc2(self.relu(self.fc1(self.avgpool(x)))))
        return x * gates
