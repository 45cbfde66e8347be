"""The Fire module: few channels in, many out.

Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer: SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
< 0.5 MB model size, 2016, arXiv:1602.07360, section 3.2.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Fire(nn.Module):
    """Squeeze to few channels by 1x1, then expand by 1x1 and by 3x3, joined along the channels.

    Shapes: x is (batch, in_channels, height, width), the result (batch, 2 * expanded, height, width).
    """

    def __init__(self, in_channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed, kernel_size=1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, kernel_size=1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """What the 1x1 windows see, then what the 3x3 see."""
        x = F.relu(self.squeeze(x), inplace=True)
        expanded = (F.relu(self.expand1x1(x), inplace=True), F.relu(self.expand3x3(x), inplace=True))
        return torch.cat(expanded, dim=1)
