import pytest
import torch
import torch.nn.functional as F

from convlens.layers import inception_v3, inception_v4
from convlens.layers.auxiliary import AuxiliaryHead, NormalizedAuxiliaryHead
from convlens.layers.convolution import ConvNorm, ConvReLU
from convlens.layers.inception import Inception, Widths


def test_the_branches_stand_one_behind_the_other():
    torch.manual_seed(0)
    module = Inception(6, Widths(1, 2, 3, 4, 5, 6), 5, ConvReLU)
    x = torch.randn(2, 6, 7, 8)
    y = module(x)
    assert y.shape == (2, 1 + 3 + 5 + 6, 7, 8)
    one, two, three, four = y.split([1, 3, 5, 6], dim=1)
    torch.testing.assert_close(one, module.branch1(x))
    torch.testing.assert_close(two, module.branch2[1](module.branch2[0](x)))
    torch.testing.assert_close(three, module.branch3[1](module.branch3[0](x)))
    torch.testing.assert_close(four, module.branch4[1](F.max_pool2d(x, 3, 1, 1)))
    assert module.branch3[1].conv.kernel_size == (5, 5)


def test_a_convolution_with_and_without_normalization():
    x = torch.randn(2, 3, 5, 5)
    plain, normalized = ConvReLU(3, 4, kernel_size=3), ConvNorm(3, 4, kernel_size=3)
    torch.testing.assert_close(plain(x), F.relu(F.conv2d(x, plain.conv.weight, plain.conv.bias)))
    y = F.conv2d(x, normalized.conv.weight)
    mean, var = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(normalized(x), F.relu((y - mean) / torch.sqrt(var + 0.001)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "in_channels", "size", "shape"),
    [
        (inception_v3.InceptionA(192, pool_features=32), 192, 35, (256, 35)),
        (inception_v3.ReductionA(288), 288, 35, (768, 17)),
        (inception_v3.InceptionB(768, width=128), 768, 17, (768, 17)),
        (inception_v3.ReductionB(768), 768, 17, (1280, 8)),
        (inception_v3.InceptionC(1280), 1280, 8, (2048, 8)),
        (inception_v4.InceptionA(), 384, 35, (384, 35)),
        (inception_v4.ReductionA(), 384, 35, (1024, 17)),
        (inception_v4.InceptionB(), 1024, 17, (1024, 17)),
        (inception_v4.ReductionB(), 1024, 17, (1536, 8)),
        (inception_v4.InceptionC(), 1536, 8, (1536, 8)),
        (inception_v4.Stem(), 3, 299, (384, 35)),
    ],
    ids=lambda value: type(value).__module__[-2:] + type(value).__name__ if hasattr(value, "forward") else None,
)
def test_the_modules_of_v3_and_v4_have_the_papers_shapes(module, in_channels, size, shape):
    y = module.to("meta")(torch.empty(1, in_channels, size, size, device="meta"))
    assert tuple(y.shape[1:]) == (*shape, shape[1])


def test_the_mean_of_v4_leaves_out_what_is_not_there():
    pooling = inception_v4.InceptionA()[0][0]
    assert torch.equal(pooling(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


def test_auxiliary_heads_give_scores():
    pooling = torch.nn.AdaptiveAvgPool2d(4)
    assert AuxiliaryHead(8, 5, pooling, ConvReLU)(torch.randn(2, 8, 14, 14)).shape == (2, 5)
    assert NormalizedAuxiliaryHead(8, 5)(torch.randn(2, 8, 17, 17)).shape == (2, 5)
