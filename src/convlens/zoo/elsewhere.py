"""Networks that the zoo does not have and the timm library does, by the names that people try."""

import re

_FAMILIES = {
    "vit": "vit_base_patch16_224",
    "deit": "deit_small_patch16_224",
    "beit": "beit_base_patch16_224",
    "dino": "vit_small_patch14_dinov2",
    "clip": "vit_base_patch16_clip_224",
    "swin": "swin_tiny_patch4_window7_224",
    "convnext": "convnext_tiny",
    "efficientnetv2": "tf_efficientnetv2_s",
    "efficientnet_v2": "tf_efficientnetv2_s",
    "efficientnet": "efficientnet_b0",
    "mobilenetv4": "mobilenetv4_conv_small",
    "mobilenetv3": "mobilenetv3_large_100",
    "mobilenet_v3": "mobilenetv3_large_100",
    "mobilevit": "mobilevit_s",
    "mnasnet": "mnasnet_100",
    "regnet": "regnety_008",
    "resnext": "resnext50_32x4d",
    "wide_resnet": "wide_resnet50_2",
    "seresnet": "seresnet50",
    "xception": "xception41",
    "maxvit": "maxvit_tiny_tf_224",
    "ghostnet": "ghostnet_100",
    "hrnet": "hrnet_w18",
    "inception_resnet": "inception_resnet_v2",
}
"""The beginning of a family's names -> its usual network in timm. The longest beginning that fits counts."""
_AS_TIMM = re.compile(
    r"(tf_)?(efficientnet_b[0-8]|efficientnetv2_\w+|convnext_\w+|seresnet\d+|resnext\d+_\w+)|.+_(?:224|256|384|448|512)"
)
"""Names that timm has as they stand."""


def has_name_of_timm(name: str) -> bool:
    """Whether timm has a network of that very name, written in its way."""
    return bool(_AS_TIMM.fullmatch(_plain(name)))


def name_in_timm(name: str) -> str | None:
    """The name under which timm has the network that a person probably means; None where nothing tells."""
    plain = _plain(name)
    if has_name_of_timm(name):
        return plain
    found = [family for family in _FAMILIES if plain.startswith((family, f"tf_{family}"))]
    return _FAMILIES[max(found, key=len)] if found else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
