"""Images of stripes, which a network tells apart well, and of blobs, which are foreign among them."""

from pathlib import Path

import numpy as np
from PIL import Image

HOUSE = {"backbone": "house", "size": 64, "epochs": 3}
"""Keywords of `train` for them."""


def draw_pattern(folder: Path, kind: str, count: int, seed: int = 0) -> Path:
    """The folder, with images of rows, of columns, or of blobs."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng([seed, len(kind)])
    for number in range(count):
        noise = draw.normal(0, 25, (64, 64, 3))
        waves = 90 * np.sin(np.arange(64) * draw.uniform(0.5, 0.9))
        pixels = 128 + noise + (waves[:, None, None] if kind == "rows" else waves[None, :, None])
        if kind == "blobs":
            y, x = np.mgrid[:64, :64]
            pixels = 255 * np.exp(-((x - 32) ** 2 + (y - 32) ** 2)[..., None] / draw.uniform(200, 400, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{kind}{number}.png")
    return folder


def striped_images(root: Path, count: int = 30) -> Path:
    """A folder with train/ and val/ of two classes, and beside it, as `foreign`, images of neither."""
    for seed, side in enumerate(("train", "val")):
        for kind in ("rows", "columns"):
            draw_pattern(root / side / kind, kind, count, seed)
    draw_pattern(root.parent / "foreign", "blobs", 12, 9)
    return root
