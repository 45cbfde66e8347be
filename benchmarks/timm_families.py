"""Which networks of the timm library work, one or more of each of its families, with random weights.

    make timm-families

Each is captured, its receptive fields are told, it is cut before its head, features of a few images are extracted, a
head is trained on them, the run is saved and loaded, and must then predict what the trained network gave.
"""

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

import convlens
from convlens.core.errors import ConvlensError
from convlens.core.run import PREDICTIONS_FILE
from convlens.core.settings import as_keywords
from convlens.pipeline.changes import RecipeChanges
from convlens.training.recipe import Recipe

FAMILIES: Mapping[str, Sequence[tuple[str, int | None]]] = {
    "ResNet": [("resnet10t", 64)],
    "ResNeXt, SE": [("seresnext26d_32x4d", 64)],
    "RegNet": [("regnetx_002", 64)],
    "DenseNet": [("densenet121", 64)],
    "EfficientNet": [("efficientnet_lite0", 64)],
    "MobileNetV3": [("mobilenetv3_small_050", 64)],
    "MobileNetV4": [("mobilenetv4_conv_small_050", 64)],
    "GhostNet": [("ghostnet_050", 64)],
    "RepVGG": [("repvgg_a0", 64)],
    "ConvNeXt, EUPE": [("convnext_tiny", 64), ("convnext_atto", 64)],
    "ConvNeXt V2": [("convnextv2_atto", 64)],
    "InceptionNeXt": [("inception_next_atto", 64)],
    "FastViT": [("fastvit_t8", 64)],
    "MetaFormer": [("poolformer_s12", 64), ("caformer_s18", 64)],
    "EfficientFormer": [("efficientformer_l1", None)],
    "EfficientViT": [("efficientvit_b0", 64)],
    "MobileViT": [("mobilevit_xxs", 64)],
    "ViT": [("vit_tiny_patch16_224", 64)],
    "DeiT": [("deit_tiny_distilled_patch16_224", 64)],
    "BEiT": [("beit_base_patch16_224", None)],
    "EVA-02": [("eva02_tiny_patch14_224", 56)],
    "DINOv2": [("vit_small_patch14_dinov2", 56), ("vit_small_patch14_reg4_dinov2", 56)],
    "DINOv3": [("vit_small_patch16_dinov3", 64), ("convnext_tiny.dinov3_lvd1689m", 64)],
    "SigLIP": [("vit_base_patch16_siglip_224", 64)],
    "CLIP": [("vit_base_patch32_clip_224", 64)],
    "Swin": [("swin_tiny_patch4_window7_224", None)],
    "Swin V2": [("swinv2_cr_tiny_ns_224", None)],
    "MaxViT": [("maxvit_rmlp_pico_rw_256", None)],
    "LeViT": [("levit_128s", None)],
    "Hiera": [("hiera_tiny_224", None)],
    "MLP-Mixer": [("mixer_s32_224", None)],
    "XCiT": [("xcit_nano_12_p16_224", 64)],
}
"""Family -> networks, each with the side of its input in pixels: small ones, for time; None for its own."""
REFUSED: Mapping[str, str] = {"efficientvit_b0": "it holds the construct get_attr"}
"""Networks that are known not to work, and a part of what is said of them.

EfficientViT switches autocast off within its forward pass, which torch.export makes a program within the program.
"""
_IMAGES = 6
_TOLERANCE = 1e-4
_COLORS = {"blue": (40, 40, 200), "green": (40, 200, 40)}


class Outcome(NamedTuple):
    """What became of one network: its receptive field, and what did not work, "" where all did."""

    field: str
    problem: str


def tried(name: str, size: int | None, folder: Path) -> Outcome:
    """The outcome of timm's network of that name, in an empty folder. Other errors than convlens's own are raised."""
    images, backbone = _images(folder / "images"), f"timm:{name}"
    try:
        field = convlens.inspect(backbone, size=size).receptive_field
        settings = Recipe(epochs=2, precision="fp32", batch_size=4)
        changes: RecipeChanges = {"backbone": backbone, "weights": "random", "size": size}
        convlens.train(images, settings, **changes, out=folder / "run", say=_silent)
        difference = _difference(folder / "run", images)
    except ConvlensError as error:
        return Outcome("", as_keywords(str(error)))
    problem = f"predicts otherwise than when it was trained, by {difference:.1e}" if difference > _TOLERANCE else ""
    return Outcome("unknown" if field is None else str(field), problem)


def _difference(run: Path, images: Path) -> float:
    """The largest difference of probabilities, of the run's validation images, in training and of the loaded run."""
    with (run / PREDICTIONS_FILE).open(newline="") as file:
        trained = {str(images / row["file"]): float(row["p(blue)"]) for row in csv.DictReader(file)}
    predicted = {one.file: one.probabilities["blue"] for one in convlens.predict(run, images).predictions}
    return max(abs(probability - predicted[path]) for path, probability in trained.items())


def _silent(_text: str) -> None:
    """Say nothing."""


def _images(folder: Path) -> Path:
    for name, color in _COLORS.items():
        (folder / name).mkdir(parents=True)
        for number in range(_IMAGES):
            noise = torch.randint(-40, 40, (48, 48, 3), generator=torch.Generator().manual_seed(number))
            pixels = (torch.tensor(color) + noise).clamp(0, 255).byte()
            Image.fromarray(pixels.numpy()).save(folder / name / f"{number}.png")
    return folder


def main() -> None:
    """Print the table, a line at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), help="only these")
    families = parser.parse_args().families
    print("| family | network of timm | pixels | seconds | receptive field | works |\n|---|---|---|---|---|---|")
    works = 0
    for family in families:
        outcomes = [_line(family, name, size) for name, size in FAMILIES[family]]
        works += all(outcomes)
    print(f"\n{works} of {len(families)} families work")


def _line(family: str, name: str, size: int | None) -> bool:
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CONVLENS_CACHE"] = f"{folder}/cache"
        outcome = tried(name, size, Path(folder))
    seconds = time.monotonic() - start
    works = outcome.problem or "yes"
    print(f"| {family} | {name} | {size or 'its own'} | {seconds:.0f} | {outcome.field} | {works} |", flush=True)
    return not outcome.problem


if __name__ == "__main__":
    main()
