import pytest
import torch
from torch import nn

from convlens.core.errors import UsageError
from convlens.transfer.heads import replace_head


def test_a_linear_head_becomes_a_linear_layer_for_other_classes():
    module = nn.Sequential(nn.Flatten(), nn.Sequential(nn.ReLU(), nn.Linear(6, 10)))
    replace_head(module, "1.1", classes=4, seed=0)
    assert isinstance(module[1][1], nn.Linear)
    assert module(torch.randn(2, 3, 2)).shape == (2, 4)


@pytest.mark.parametrize(
    ("old", "x", "shape"),
    [
        (nn.Conv1d(6, 10, 1), (2, 6, 9), (2, 4, 9)),
        (nn.Conv2d(6, 10, 1), (2, 6, 9, 8), (2, 4, 9, 8)),
        (nn.Conv2d(6, 10, 3, stride=2, padding=2, dilation=2, bias=False), (2, 6, 9, 8), (2, 4, 5, 4)),
    ],
)
def test_a_convolution_becomes_one_of_the_same_kernel(old, x, shape):
    module = nn.Sequential(old, nn.ReLU())
    before = module(torch.randn(x)).shape
    replace_head(module, "0", classes=4, seed=0)
    assert type(module[0]) is type(old)
    assert module[0].bias is not None
    assert module(torch.randn(x)).shape == shape
    assert shape[2:] == before[2:]


@pytest.mark.parametrize("old", [nn.Linear(6, 10), nn.Conv2d(6, 10, 1)])
def test_the_seed_decides_the_new_layer_and_leaves_torchs_generator_alone(old):
    module = nn.Sequential(old)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    drawn = []
    for seed in (1, 1, 2):
        replace_head(module, "0", classes=4, seed=seed)
        drawn.append(module[0].weight)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("old", [nn.ReLU(), nn.Conv2d(6, 10, 1, groups=2)])
def test_other_layers_are_refused(old):
    with pytest.raises(UsageError, match=r"the head '0' is a (ReLU|Conv2d); only a linear layer or a convolution"):
        replace_head(nn.Sequential(old), "0", classes=4, seed=0)
