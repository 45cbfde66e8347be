"""Dilated convolutions: taps that stand apart, so that a few layers see far at full resolution.

Legend: a convolution of kernel k and dilation d sees k places, each d from the next. Shapes: sequences are (batch,
channels, time), maps (batch, channels, height, width).

Yu, Koltun: Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016, arXiv:1511.07122. Van den Oord et al.:
WaveNet: A Generative Model for Raw Audio, 2016, arXiv:1609.03499.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CausalConv1d(nn.Conv1d):
    """A convolution over time whose output at t sees t and what came before, never what comes after (WaveNet, 2.1).

    As long as its input: the missing past is zero.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, dilation=dilation)
        self.past = (kernel_size - 1) * dilation

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of x behind `past` zeros."""
        return super().forward(F.pad(x, (self.past, 0)))


class GatedResidual(nn.Module):
    """One layer of WaveNet: a gated causal convolution, with a residual and a skip output (figure 4).

    z = tanh(W_f * x) sigmoid(W_g * x) (equation 2); the outputs are 1x1 convolutions of it. Shapes: x and the residual
    output are (batch, channels, time), the skip output (batch, skip_channels, time). The `last` layer of a network has
    no residual output, which nobody would read, and gives x as it came.
    """

    def __init__(
        self, channels: int, skip_channels: int, dilation: int, *, kernel_size: int = 2, last: bool = False
    ) -> None:
        super().__init__()
        self.filter = CausalConv1d(channels, channels, kernel_size, dilation)
        self.gate = CausalConv1d(channels, channels, kernel_size, dilation)
        self.residual = None if last else nn.Conv1d(channels, channels, kernel_size=1)
        self.skip = nn.Conv1d(channels, skip_channels, kernel_size=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The residual output x + W z, and the skip output."""
        z = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
        return x if self.residual is None else x + self.residual(z), self.skip(z)


@torch.no_grad()
def identity_(convolution: nn.Conv2d, maps: int, noise: float = 0.0) -> None:
    """Fill a convolution so that it hands its input on, as the context module starts (Yu & Koltun, equations 4 and 5).

    Its channels, before and after, are `maps` groups in order. The center tap from channel a to channel b is
    maps / out_channels where both are of one group: with the groups' shares added up, nothing is lost or gained from
    layer to layer. All other weights are drawn from N(0, (noise x maps / out_channels)²), biases are 0. With as many
    channels as maps and no noise, that is equation 4.
    """
    weight = convolution.weight
    out_channels, in_channels, *kernel = weight.shape
    share = maps / out_channels
    nn.init.normal_(weight, std=noise * share)
    for group in range(maps):
        rows, columns = _channels_of(group, maps, out_channels), _channels_of(group, maps, in_channels)
        weight[rows, columns, kernel[0] // 2, kernel[1] // 2].fill_(share)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


def _channels_of(group: int, maps: int, channels: int) -> slice:
    """The channels i of a group: those with i * maps // channels equal to it."""
    first, last = (-(-number * channels // maps) for number in (group, group + 1))
    return slice(first, last)
