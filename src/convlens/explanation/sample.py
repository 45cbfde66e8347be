"""A drawn image for those who only want to look at a network: a disc and stripes before a sky."""

import torch
from torch import Tensor


def sample_image(side: int) -> Tensor:
    """RGB values in 0..1, shape (3, side, side), always the same."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    image = torch.stack([0.35 + 0.3 * rows, 0.55 + 0.25 * rows, 0.95 - 0.35 * rows])
    stripes = ((columns * 9 + rows * 3) % 1 < 0.5) & (rows > 0.68)
    image[:, rows > 0.68] = torch.tensor([0.25, 0.5, 0.22])[:, None]
    image[:, stripes] = torch.tensor([0.45, 0.62, 0.25])[:, None]
    disc = (rows - 0.42) ** 2 + (columns - 0.45) ** 2 < 0.22**2
    image[:, disc] = torch.tensor([0.93, 0.45, 0.12])[:, None]
    shade = (rows - 0.36) ** 2 + (columns - 0.4) ** 2 < 0.07**2
    image[:, shade] = torch.tensor([1.0, 0.8, 0.55])[:, None]
    return image
