"""Fresh augmentation: crops, flips, colors and erased rectangles, drawn again for every image of every epoch.

A whole batch is changed at once by a few tensor operations. torch's global generator on the CPU decides, wherever the
pixels are, so that a seed means the same images on every device.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from convlens.core.preprocessing import Preprocessing

_RATIO = 4 / 3
"""A crop's width to its height lies between the inverse of this and this."""
_GREY = (0.299, 0.587, 0.114)
"""Luma of red, green and blue (ITU-R BT.601)."""
_ERASED_AREA = (0.02, 1 / 3)
_ERASED_RATIO = 10 / 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How much images are changed. Each call takes 8-bit pixels and gives network input, see `__call__`."""

    crop_area: float = 0.35
    """The least part of an image's area that a crop keeps (Szegedy et al. 2015, section 6)."""
    color: float = 0.2
    """The most by which brightness, contrast and saturation change, as a part of 1."""
    erasing: float = 0.0
    """The probability that a rectangle is erased (Zhong et al., arXiv:1708.04896)."""

    def __call__(self, pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
        """Network input of shape (N, 3, size, size) from 8-bit pixels (N, H, W, 3), randomly changed."""
        images = pixels.permute(0, 3, 1, 2).float().mul_(1 / 255)
        images = cropped(images, preprocessing.size, self.crop_area)
        if self.color:
            images = recolored(images, self.color)
        images = _normalized(images, preprocessing)
        return erased(images, self.erasing) if self.erasing else images


def cropped(images: Tensor, size: int, least_area: float) -> Tensor:
    """A random part of each image (N, C, H, W), every other one mirrored, resized to (N, C, size, size).

    Its area is uniform between `least_area` and 1, its width to its height log-uniform between 3/4 and 4/3; a side
    that would be longer than the image's is as long as that.
    """
    count = len(images)
    area, ratio = _uniform(count, least_area, 1.0), _log_uniform(count, _RATIO)
    width, height = (area * ratio).sqrt().clamp(max=1.0), (area / ratio).sqrt().clamp(max=1.0)
    mirror = torch.randint(0, 2, (count,)) * 2 - 1
    # affine_grid's coordinates run from -1 to 1 on each axis: a crop is a scale and a shift within what is left.
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = width * mirror, height
    theta[:, 0, 2], theta[:, 1, 2] = (1 - width) * _uniform(count, -1, 1), (1 - height) * _uniform(count, -1, 1)
    grid = F.affine_grid(theta.to(images.device), [count, images.shape[1], size, size], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def recolored(images: Tensor, most: float) -> Tensor:
    """RGB images (N, 3, H, W) in 0..1 with other brightness, contrast and saturation, each 1 ± `most` times as much.

    Contrast pulls towards the image's mean gray, saturation every pixel towards its own.
    """
    brightness, contrast, saturation = (
        _uniform(len(images), 1 - most, 1 + most).view(-1, 1, 1, 1).to(images.device) for _ in range(3)
    )
    gray = (images * images.new_tensor(_GREY).view(3, 1, 1)).sum(1, keepdim=True)
    scale = brightness * contrast
    shift = (1 - contrast) * brightness * gray.mean((2, 3), keepdim=True)
    return torch.addcmul(gray.mul_(scale * (1 - saturation)).add_(shift), images, scale * saturation).clamp_(0, 1)


def erased(images: Tensor, probability: float) -> Tensor:
    """Normalized images (N, C, H, W) of which some, with this probability, lose a rectangle: 0, the mean, is there.

    Its area is uniform between 2% and a third of the image, its ratio of sides log-uniform between 0.3 and 3.3.
    """
    count, _, rows, columns = images.shape
    area, ratio = _uniform(count, *_ERASED_AREA), _log_uniform(count, _ERASED_RATIO)
    chosen = torch.rand(count) < probability
    inside = _spans(rows, (area / ratio).sqrt())[:, :, None] & _spans(columns, (area * ratio).sqrt())[:, None, :]
    mask = (inside & chosen.view(-1, 1, 1)).unsqueeze(1).to(images.device)
    return images.masked_fill(mask, 0.0)


def _spans(length: int, part: Tensor) -> Tensor:
    """True within a random span of each line of this length, `part` of it long: of shape (N, length)."""
    part = part.clamp(max=1.0)
    start = ((1 - part) * torch.rand(len(part))).unsqueeze(1)
    places = (torch.arange(length) + 0.5) / length
    return (places >= start) & (places < start + part.unsqueeze(1))


def _normalized(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    return images.sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)


def _uniform(count: int, low: float, high: float) -> Tensor:
    return torch.rand(count) * (high - low) + low


def _log_uniform(count: int, most: float) -> Tensor:
    """Factors between 1/`most` and `most`, as many of them above 1 as below."""
    return most ** _uniform(count, -1, 1)
