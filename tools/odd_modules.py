"""Modules as people write them, for the graph and its passes: capture, cost, receptive fields and gradients.

Every module is modeled on a construct that public networks or bug reports have.
"""

import dataclasses
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convlens


@dataclasses.dataclass(frozen=True)
class OddModule:
    """One module: `build` makes it; its input is a batch of images of shape (N, 3, 16, 16)."""

    name: str
    build: Callable[[], nn.Module]


Forward = Callable[[nn.Module, Tensor], object]
ODD_MODULES: list[OddModule] = []


def odd(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """Adds a module, named as its function."""
    ODD_MODULES.append(OddModule(build.__name__, build))
    return build


def odd_forward(forward: Forward) -> Forward:
    """Adds a convolution to 4 channels whose maps go through this function."""

    class AfterConvolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: Tensor) -> object:
            return forward(self, self.conv(x))

    ODD_MODULES.append(OddModule(forward.__name__, AfterConvolution))
    return forward


# Writes into parts


@odd_forward
def write_into_a_slice(module: nn.Module, x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :, 2:5] = 0
    return y


@odd_forward
def write_into_a_view(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 1
    y.view(-1, 4, 256)[..., ::2].mul_(2)
    return y


@odd_forward
def write_into_a_chunk(module: nn.Module, x: Tensor) -> Tensor:
    y = x + 0
    first, _ = y.chunk(2, dim=1)
    first.add_(1)
    return y


@odd_forward
def window_mask_of_swin(module: nn.Module, x: Tensor) -> Tensor:
    mask = x.new_zeros(16, 16)
    for number, rows in enumerate((slice(0, -4), slice(-4, -2), slice(-2, None))):
        mask[rows] = number
    shifted = torch.roll(x, (-2, -2), (2, 3))
    return shifted.masked_fill(mask == 1, -100.0)


@odd_forward
def detached_copy_is_changed(module: nn.Module, x: Tensor) -> Tensor:
    y = x.clone()
    y.detach()[:, 0] = 0
    return y


# Modes within the forward pass


@odd_forward
def no_grad_inside(module: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        scale = x.abs().mean((1, 2, 3), keepdim=True)
    return x / (1 + scale)


@odd_forward
def autocast_inside(module: nn.Module, x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = F.conv2d(x, x.new_ones(2, 4, 1, 1))
    return y.float()


@odd_forward
def autocast_turned_off_inside(module: nn.Module, x: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        return x.square().mean((2, 3))


class _Doubled(torch.autograd.Function):
    @staticmethod
    def forward(context: object, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return 3 * gradient


@odd_forward
def backward_of_its_own(module: nn.Module, x: Tensor) -> object:
    return _Doubled.apply(x)


# Receptive fields through broadcasts


@odd_forward
def rows_averaged_and_added_back(module: nn.Module, x: Tensor) -> Tensor:
    return x + x.mean(2, keepdim=True)


@odd_forward
def first_row_added_to_all(module: nn.Module, x: Tensor) -> Tensor:
    return x + x[:, :, :1]


# Sizes and ways that depend on values


@odd_forward
def places_of_nonzero_values(module: nn.Module, x: Tensor) -> Tensor:
    return torch.nonzero(x > 0)


@odd_forward
def distinct_values(module: nn.Module, x: Tensor) -> Tensor:
    return torch.unique(x.round())


@odd_forward
def values_behind_a_mask(module: nn.Module, x: Tensor) -> Tensor:
    return x[x > 0]


@odd_forward
def value_as_a_number(module: nn.Module, x: Tensor) -> Tensor:
    return x * x.max().item()


@odd_forward
def branch_on_a_value(module: nn.Module, x: Tensor) -> Tensor:
    return x if x.sum() > 0 else -x


@odd_forward
def batch_size_written_down(module: nn.Module, x: Tensor) -> Tensor:
    return x.view(2, -1)


# Operators beside the usual ones


class Recurrent(nn.Module):
    """Rows of an image as a sequence."""

    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM]) -> None:
        super().__init__()
        self.recurrent = kind(48, 8, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """The states of all steps."""
        return self.recurrent(x.flatten(1).view(-1, 16, 48))[0]


@odd
def gru() -> nn.Module:
    return Recurrent(nn.GRU)


@odd
def lstm() -> nn.Module:
    return Recurrent(nn.LSTM)


@odd
def multi_head_attention() -> nn.Module:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(48, 4, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(1).view(-1, 16, 48)
            return self.attention(tokens, tokens, tokens)[0]

    return Attending()


@odd_forward
def dot_product_of_vectors(module: nn.Module, x: Tensor) -> Tensor:
    rows = x.flatten(1)
    return torch.vdot(rows[0], rows[-1])


@odd_forward
def einsum_of_three(module: nn.Module, x: Tensor) -> Tensor:
    return torch.einsum("nchw,nchv,ncwv->nc", x, x, x)


@odd_forward
def fake_quantization(module: nn.Module, x: Tensor) -> Tensor:
    return torch.fake_quantize_per_tensor_affine(x, 0.05, 0, -128, 127)


@odd_forward
def spectrum(module: nn.Module, x: Tensor) -> Tensor:
    return torch.fft.rfft2(x).abs()


@odd_forward
def noise(module: nn.Module, x: Tensor) -> Tensor:
    return x + torch.randn_like(x)


# Ways to wrap and to answer


@odd_forward
def answers_by_name(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
    return {"maps": x, "mean": x.mean((2, 3))}


@odd_forward
def answers_as_a_pair(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    return x, x.mean((2, 3))


@odd
def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and people have it
        script: nn.Module = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    return script


@odd
def compiled() -> nn.Module:
    return torch.compile(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))  # type: ignore[return-value]


@odd
def in_parallel() -> nn.Module:
    return nn.DataParallel(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))


@odd
def weights_by_parametrization() -> nn.Module:
    return nn.Sequential(torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), nn.ReLU())


@odd
def not_initialized_yet() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU())


@odd
def in_double_precision() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).double()


@odd
def with_a_hook() -> nn.Module:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    network[0].register_forward_hook(lambda module, inputs, output: output * 2)
    return network


def tried(one: OddModule) -> tuple[bool, str]:
    """Whether its graph is captured, and what is found of that, or the refusal; AssertionError for a wrong gradient."""
    torch.manual_seed(0)
    images = torch.randn(2, 3, 16, 16)
    try:
        graph = convlens.capture(one.build().eval(), images)
    except convlens.ConvlensError as refusal:
        return False, str(refusal)
    costs, fields = convlens.cost(graph), convlens.receptive_field(graph)
    found = [f"{len(graph.operators)} operators, {costs.total.multiply_adds} multiply-adds"]
    if costs.unsupported:
        found.append(f"not counted: {'; '.join(costs.unsupported)}")
    if fields.unsupported:
        found.append(f"without a receptive field: {', '.join(fields.unsupported)}")
    try:
        check = convlens.check_gradients(graph, images)
    except convlens.ConvlensError as refusal:
        found.append(f"gradients: {refusal}")
    else:
        assert check.passed, str(check)
        found.append("gradients as autograd's")
    return True, "; ".join(found)
