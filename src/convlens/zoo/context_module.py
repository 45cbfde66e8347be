"""The context module: seven dilated convolutions that widen what each place of a feature map knows.

Yu, Koltun: Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016, arXiv:1511.07122, section 3 and table 1.
It takes the 21 maps (one per class of Pascal VOC) that a network for dense prediction gives, of 64 x 64 places, and
gives 21 better ones of the same size.
"""

from collections import OrderedDict

from torch import Tensor, nn

from convlens.layers.dilated import identity_
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import he_normal, zero_biases

MAPS = 21
DILATIONS = (1, 1, 2, 4, 8, 16, 1)
_MARGIN = sum(DILATIONS)
"""33 zeros around the input make up for what the convolutions, which have no padding of their own, take away."""

_BASIC = (1, 1, 1, 1, 1, 1, 1)
_LARGE = (2, 2, 4, 8, 16, 32, 32)
"""Channels of the 3x3 convolutions, in multiples of the input's (table 1)."""

_NOISE = 1e-3
"""Of the large module, relative to its weights: the paper asks for much less than 1."""

CARD = NetworkCard(
    name="context_module",
    year=2015,
    paper="Yu, Koltun: Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016, arXiv:1511.07122",
    head="final",
    classes=MAPS,
    data=None,
    input_shape=(MAPS, 64, 64),
    output="maps",
)


class ContextModule(nn.Module):
    """Maps of class scores (batch, classes, height, width) from feature maps (batch, 21, height, width).

    `widths` are the channels of the layers in multiples of 21. A new module with 21 classes hands non-negative maps on
    as they are (equations 4 and 5): put behind a trained network, it changes nothing at first.
    """

    def __init__(self, widths: tuple[int, ...], classes: int, *, noise: float = 0.0) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {}
        in_channels = MAPS
        for i, (width, dilation) in enumerate(zip(widths, DILATIONS, strict=True), start=1):
            padding = _MARGIN if i == 1 else 0
            layers[f"conv{i}"] = nn.Conv2d(in_channels, width * MAPS, 3, padding=padding, dilation=dilation)
            layers[f"relu{i}"] = nn.ReLU(inplace=True)
            in_channels = width * MAPS
        self.layers = nn.Sequential(OrderedDict(layers))
        self.final = nn.Conv2d(in_channels, classes, kernel_size=1)
        self._initialize(classes, noise)

    def _initialize(self, classes: int, noise: float) -> None:
        he_normal(self, "fan_in")
        zero_biases(self)
        for layer in self.modules():
            # Scores of other classes are no copies of the maps: their layer stays random.
            if isinstance(layer, nn.Conv2d) and (layer is not self.final or classes == MAPS):
                identity_(layer, MAPS, noise)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores of every place."""
        scores: Tensor = self.final(self.layers(x))
        return scores


def context_module(classes: int = MAPS) -> ContextModule:
    """The basic context module, 21 channels in every layer, arXiv:1511.07122, table 1."""
    return ContextModule(_BASIC, classes)


def context_module_large(classes: int = MAPS) -> ContextModule:
    """The large context module, up to 32 x 21 channels, arXiv:1511.07122, table 1."""
    return ContextModule(_LARGE, classes, noise=_NOISE)


NETWORKS = family(CARD, context_module=context_module, context_module_large=context_module_large)
