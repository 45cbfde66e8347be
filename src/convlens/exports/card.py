"""The card of an exported model, with golden images that the network itself has answered."""

import torch
from torch import Tensor

import convlens
from convlens.core.bundle import Bundle
from convlens.core.exported import ExportCard
from convlens.core.trust import REJECT
from convlens.data.decode import Pixels
from convlens.exports.file import Answered
from convlens.exports.golden import golden_image, golden_pixels
from convlens.exports.model import BareModel
from convlens.exports.proof import Reference, fed


def reference_of(model: BareModel, bundle: Bundle) -> Reference:
    """What the network answers to one image's pixels, for exported models to be compared with."""

    def reference(pixels: Pixels) -> Answered:
        with torch.inference_mode():
            given = model(fed(pixels, bundle.preprocessing, whole=False))
        return Answered(given, None) if isinstance(given, Tensor) else Answered(*given)

    return reference


def card_of(model: BareModel, bundle: Bundle, *, whole: bool, weights_license: str | None) -> ExportCard:
    """The card of a bundle's network as a file."""
    reference = reference_of(model, bundle)
    judges = "p_values" in model.outputs
    return ExportCard(
        convlens=convlens.__version__,
        network=bundle.backbone,
        whole=whole,
        task=bundle.task,
        classes=bundle.classes,
        outputs=model.outputs,
        reject=REJECT if judges else None,
        calibration=bundle.calibration,
        scale=bundle.scale,
        preprocessing=bundle.preprocessing,
        weights_sha256=bundle.sha256,
        weights_license=weights_license,
        golden=[golden_image(name, pixels, reference(pixels), judged=judges) for name, pixels in golden_pixels()],
    )
