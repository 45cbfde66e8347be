import pytest
import torch
import torch.nn.functional as F

from convlens.layers.local_response import LocalResponseNorm


@pytest.mark.parametrize("channels", [1, 3, 5, 12])
@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_it_is_torchs_with_alpha_for_the_sum(channels, size):
    torch.manual_seed(0)
    x = 30 * torch.randn(2, channels, 4, 3)
    ours = LocalResponseNorm(size, alpha=1e-3, beta=0.6, k=1.5)(x)
    torch.testing.assert_close(ours, F.local_response_norm(x, size, alpha=1e-3 * size, beta=0.6, k=1.5))


def test_the_papers_equation_for_one_channel():
    x = torch.randn(1, 9, 2, 2, dtype=torch.float64) * 50
    neighbors = (x[0, 2:7] ** 2).sum(0)
    torch.testing.assert_close(LocalResponseNorm()(x)[0, 4], x[0, 4] / (2 + 1e-4 * neighbors) ** 0.75)


def test_its_settings_are_shown():
    assert repr(LocalResponseNorm()) == "LocalResponseNorm(size=5, alpha=0.0001, beta=0.75, k=2.0)"
