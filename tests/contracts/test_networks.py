"""What holds for every network that is registered, whoever adds it.

Networks that are too large to run here are looked at on the meta device, where shapes count and values do not.
"""

from pathlib import Path
from typing import NamedTuple

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens import zoo
from convlens.tasks.zoo import counted
from convlens.transfer.heads import replace_head
from convlens.zoo.card import NetworkCard
from convlens.zoo.counts import counts
from convlens.zoo.registry import NETWORKS
from convlens.zoo.structure import structure
from tests.zoo.inspected import inspected

RUN_BELOW = 30_000_000
"""Networks of fewer parameters are run with values."""
TINY = 32
"""The side that networks are tried at, where they take it."""
BATCH = 3


TWINS = {
    *("densenet161", "densenet169", "resnet101_v1", "resnet152_v1", "plain110", "preact_resnet110"),
    *("resnet44_b", "resnet44_c", "resnet56_b", "resnet56_c", "resnet110_b", "resnet110_c"),
    *("resnet110_span1", "resnet110_span3"),
}
"""Deep networks that take seconds to capture, of blocks that others have, too: counted with the slow tests."""

ENLARGING = ("aten.conv_transpose2d.input", "aten.max_unpool2d.default", "aten.upsample_bilinear2d.vec")
"""Operators of dense prediction behind which no receptive field is known, and with them at the end of the network."""


class Known(NamedTuple):
    """A registered network: its name, its card, and its structure for the card's classes on the meta device."""

    name: str
    card: NetworkCard
    module: nn.Module

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())

    def shape(self, size: int) -> tuple[int, ...]:
        """The shape of a batch with sides of this size."""
        channels, *places = self.card.input_shape
        return (BATCH, channels, *(size for _ in places))

    @property
    def tiny(self) -> tuple[int, ...]:
        """The shape of a small batch that the network takes."""
        return self.shape(min(max(self.card.least_size, TINY), *self.card.input_shape[1:]))

    def afresh(self, classes: int) -> nn.Module:
        """Its structure for another number of classes."""
        return structure(NETWORKS[self.name].build, classes)


@pytest.fixture(scope="module", params=zoo.names())
def known(request: pytest.FixtureRequest) -> Known:
    name = request.param
    return Known(name, zoo.card(name), zoo.blueprint(name))


def outputs_of(module: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """The scores, then those of auxiliary heads."""
    result = module(x)
    return (result,) if isinstance(result, Tensor) else (result.scores, *result.auxiliary)


def loss_of(outputs: tuple[Tensor, ...]) -> Tensor:
    """Cross-entropy to class 0, at every place and of every output."""
    losses = [F.cross_entropy(y, y.new_zeros((len(y), *y.shape[2:]), dtype=torch.long)) for y in outputs]
    return torch.stack(losses).sum()


def test_the_card_agrees_with_the_network(known: Known) -> None:
    card, head = known.card, known.module.get_submodule(known.card.head)
    assert card.name == known.name
    assert "arXiv:" in card.paper or "doi:" in card.paper
    assert head.weight.shape[0] == card.classes
    assert card.head in [path for path, _ in known.module.named_modules()]
    if card.input_shape[0] == 3:
        assert card.input_shape == (3, card.preprocessing.size, card.preprocessing.size)
    assert card.data is None or len(zoo.class_names(card.data)) == card.classes
    assert all(side >= card.least_size for side in card.input_shape[1:])


def test_its_input_gives_the_kind_of_output_that_it_says(known: Known) -> None:
    module = known.afresh(7).eval()
    y = module(torch.empty(BATCH, *known.card.input_shape, device="meta"))
    assert y.shape[:2] == (BATCH, 7)
    assert y.ndim == (2 if known.card.output == "scores" else len(known.card.input_shape) + 1)


def test_the_least_size_is_the_least(known: Known) -> None:
    module, least = known.afresh(7).train(), known.card.least_size
    outputs_of(module, torch.empty(known.shape(least), device="meta"))
    if least > 1:
        with pytest.raises(RuntimeError):
            outputs_of(module, torch.empty(known.shape(least - 1), device="meta"))


def test_every_parameter_gets_a_gradient(known: Known) -> None:
    runs = known.parameters < RUN_BELOW
    torch.manual_seed(0)
    module = zoo.network(known.name, classes=7) if runs else known.afresh(7)
    outputs = outputs_of(module.train(), torch.randn(known.tiny) if runs else torch.empty(known.tiny, device="meta"))
    loss_of(outputs).backward()
    for path, parameter in module.named_parameters():
        assert parameter.grad is not None, path
        assert not runs or parameter.grad.isfinite().all(), path
        assert not runs or parameter.grad.any(), path
    assert not runs or all(y.isfinite().all() for y in outputs)


def test_the_head_can_be_replaced(known: Known) -> None:
    module = known.afresh(7).eval()
    before = module(torch.empty(known.tiny, device="meta")).shape
    with torch.device("meta"):
        replace_head(module, known.card.head, classes=5, seed=0)
    after = module(torch.empty(known.tiny, device="meta")).shape
    assert (before[1], after[1]) == (7, 5)
    assert (after[0], *after[2:]) == (before[0], *before[2:])


def test_saved_and_loaded_it_is_the_same(known: Known, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    if known.parameters >= RUN_BELOW:
        state = {key: torch.zeros((), dtype=t.dtype).expand(t.shape) for key, t in known.module.state_dict().items()}
        module = known.afresh(known.card.classes)
        zoo.load_weights(module, state, path, known.card.head, name=known.name)
    else:
        torch.manual_seed(0)
        state = zoo.network(known.name, classes=2).state_dict()
        safetensors.torch.save_file(state, path)
        module = zoo.network(known.name, weights=path)
    loaded = module.state_dict()
    assert list(loaded) == list(state)
    assert all(torch.equal(loaded[key], state[key]) for key in state)


@pytest.mark.parametrize(
    "known",
    [pytest.param(name, marks=pytest.mark.slow if name in TWINS else ()) for name in zoo.names()],
    indirect=True,
)
def test_inspect_tells_all_of_it(known: Known) -> None:
    record = inspected(known.name)
    assert [reason for reason in record.unsupported if reason.split()[0] not in ENLARGING] == []
    assert record.unsupported == [] or known.card.output == "maps"
    assert record.parameters == known.parameters
    assert record.input_shape == ["batch", *known.card.input_shape]
    assert record.multiply_adds > 0
    assert counts(known.name) == counted(record), "run `make counts`"
    has_maps = any(isinstance(layer, nn.Conv1d | nn.Conv2d) for layer in known.module.modules())
    assert (record.receptive_field is not None) == (has_maps and not record.unsupported)
