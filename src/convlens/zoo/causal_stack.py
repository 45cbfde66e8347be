"""A stack of dilated causal convolutions over time, the network of WaveNet.

Van den Oord, Dieleman, Zen, Simonyan, Vinyals, Graves, Kalchbrenner, Senior, Kavukcuoglu: WaveNet: A Generative Model
for Raw Audio, 2016, arXiv:1609.03499. Sound at 16 kHz, quantized to 256 values by the μ-law and one-hot (section 2.2),
comes in; for every time step, scores of the 256 values that the next sample may have go out. The paper does not give
the numbers of channels: 64 in the layers and 256 in the skip connections are our choice, and so is Glorot's
initialization, made for the tanh. The first convolution is 1x1, so that one stack sees exactly 1024 time steps.
"""

from torch import Tensor, nn

from convlens.layers.dilated import GatedResidual
from convlens.zoo.card import NetworkCard
from convlens.zoo.entry import family
from convlens.zoo.initialization import glorot_uniform

CARD = NetworkCard(
    name="causal_stack",
    year=2016,
    paper="van den Oord, Dieleman, Zen, Simonyan, Vinyals, Graves, Kalchbrenner, Senior, Kavukcuoglu: WaveNet: "
    "A Generative Model for Raw Audio, arXiv:1609.03499",
    head="head.3",
    classes=256,
    data=None,
    input_shape=(256, 16_000),
    output="maps",
)

DILATIONS = tuple(2**k for k in range(10))
"""1, 2, 4, ..., 512: of one stack."""


class CausalStack(nn.Module):
    """Class scores (batch, classes, time) of sequences (batch, in_channels, time), of any length.

    The scores at time t depend on the input at t and the 1023 x stacks time steps before it, and on nothing later.
    """

    def __init__(
        self, classes: int, *, stacks: int = 1, in_channels: int = 256, channels: int = 64, skip_channels: int = 256
    ) -> None:
        super().__init__()
        dilations = DILATIONS * stacks
        last = len(dilations) - 1
        self.causal = nn.Conv1d(in_channels, channels, kernel_size=1)
        self.layers = nn.ModuleList(
            GatedResidual(channels, skip_channels, dilation, last=i == last) for i, dilation in enumerate(dilations)
        )
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(skip_channels, skip_channels, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv1d(skip_channels, classes, kernel_size=1),
        )
        glorot_uniform(self)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores before the softmax, for every time step."""
        x = self.causal(x)
        skips = []
        for layer in self.layers:
            x, skip = layer(x)
            skips.append(skip)
        scores: Tensor = self.head(sum(skips))
        return scores


def causal_stack(classes: int = 256) -> CausalStack:
    """One stack of ten layers with dilations 1 to 512, arXiv:1609.03499, section 2.1."""
    return CausalStack(classes)


NETWORKS = family(CARD, causal_stack=causal_stack)
