"""Fresh augmentation: random crops, flips and colours, drawn anew for every picture of every epoch."""

from functools import cache

import kornia.augmentation as K
import torch
from torch import Tensor, nn

from convlens.core.preprocessing import Preprocessing


def augmented(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Network input of shape (N, 3, size, size) from 8-bit pixels (N, H, W, 3), randomly changed.

    A crop of 35 to 100 % of the area (Szegedy et al. 2015, section 6), a flip, and mild changes of brightness,
    contrast and saturation. torch's global generator decides.
    """
    images = pixels.permute(0, 3, 1, 2).float().div_(255)
    changed: Tensor = _transforms(preprocessing.size)(images)
    mean = torch.tensor(preprocessing.mean).view(3, 1, 1)
    std = torch.tensor(preprocessing.std).view(3, 1, 1)
    return changed.sub(mean).div(std).contiguous(memory_format=torch.channels_last)


@cache
def _transforms(size: int) -> nn.Module:
    return nn.Sequential(
        K.RandomResizedCrop((size, size), scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3), cropping_mode="resample"),
        K.RandomHorizontalFlip(),
        K.ColorJiggle(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.0, p=0.8),
    )
