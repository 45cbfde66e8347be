"""Maps made larger again: a transposed convolution that starts as bilinear interpolation, and cropping.

Where poolings round odd sizes up, the maps that come back by upsampling are as large as the ones before, or one place
larger, and begin at the same pixel: `cropped` takes away what reaches beyond the image at the end.
"""

import torch
from torch import Tensor, nn


class BilinearUpsampling(nn.ConvTranspose2d):
    """Maps (batch, channels, height, width) `factor` times as large, each channel by itself; `factor` is even.

    The filter of 2 x `factor` places starts as bilinear interpolation (Long, Shelhamer, Darrell: Fully Convolutional
    Networks for Semantic Segmentation, CVPR 2015, arXiv:1411.4038, section 3.3). Where it is not `learned` it stays
    that, as a buffer. Places outside the map count as zeros.
    """

    def __init__(self, channels: int, factor: int, *, learned: bool) -> None:
        super().__init__(channels, channels, 2 * factor, factor, factor // 2, groups=channels, bias=False)
        if not learned:
            weight = self.weight.detach()
            del self.weight
            self.register_buffer("weight", weight)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Fill the filters with bilinear interpolation: 1 - |place - center| / factor along each axis."""
        size, factor = self.kernel_size[0], self.stride[0]
        places = torch.arange(size, dtype=self.weight.dtype, device="cpu")  # quick where the weight has no values, too
        along = 1 - (places - (size - 1) / 2).abs() / factor
        self.weight.copy_((along[:, None] * along).expand(self.weight.shape))


def cropped(x: Tensor, like: Tensor) -> Tensor:
    """The places of x (batch, channels, ...) that a map or image `like` (batch, any channels, height, width) has."""
    height, width = like.shape[-2:]
    return x[..., :height, :width]
