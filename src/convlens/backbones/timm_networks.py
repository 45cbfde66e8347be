"""Networks of the timm library, by the name "timm:NAME", at one input size and with one pooling.

NAME is a name of timm's, with its tag or without, or "hf-hub:OWNER/NAME" or "local-dir:FOLDER", which need no "timm:"
before them. Many of today's networks are published without a classifier (DINOv2, DINOv3, SigLIP): they get one, on
pooled features.
"""

import dataclasses
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

import torch
from torch import Tensor, nn

from convlens.backbones.external import (
    LOCAL,
    TIMM,
    adopted_as,
    can_be_a_head,
    input_note,
    is_of_timm,
    stated,
    stated_preprocessing,
)
from convlens.core.errors import DataError, MachineError, NetworkError, UsageError
from convlens.core.progress import Say, unsaid
from convlens.core.settings import setting
from convlens.transfer.heads import replace_head
from convlens.zoo import (
    card,
    classes_in,
    entry,
    is_adopted,
    load_weights,
    read_state,
    refuse_not_finite,
    refuse_wrong_number,
    unloaded,
)

_HEAD, _BODY = "head", "body."
"""Where `PooledNetwork` has its classifier, and how names of the rest begin."""
Pooling = Literal["own", "token", "mean", "both"]
"""What the head reads of a vision transformer: the network's own choice, the class token, the mean of the patches, or
token and mean one after the other."""
OWN: Pooling = "own"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """A network of timm, the side of its input where that is not its own, and its pooling."""

    model: str
    size: int | None = None
    pooling: Pooling = OWN

    def __str__(self) -> str:
        """As a network's name, such as "timm:vit_small_patch14_dinov2?size=224&pooling=mean"."""
        settings = {"size": self.size, "pooling": None if self.pooling == OWN else self.pooling}
        told = "&".join(f"{name}={value}" for name, value in settings.items() if value is not None)
        return f"{TIMM}{self.model}{'?' if told else ''}{told}"

    @classmethod
    def of(cls, name: str) -> Self:
        """What such a name says; a folder's path is made absolute. Raises UsageError for settings that are none."""
        model, _, told = name.removeprefix(TIMM).partition("?")
        if model.startswith(LOCAL):
            model = f"{LOCAL}{Path(model.removeprefix(LOCAL)).expanduser().absolute()}"
        given = dict(part.partition("=")[::2] for part in told.split("&") if part)
        size, pooling = given.pop("size", None), given.pop("pooling", OWN)
        if given or (size is not None and not size.isdecimal()) or pooling not in get_args(Pooling):
            raise UsageError(
                f"{name}: after the question mark may stand size=PIXELS and pooling={'|'.join(get_args(Pooling))}, "
                "joined by &."
            )
        return cls(model=model, size=int(size) if size else None, pooling=cast("Pooling", pooling))


class PooledNetwork(nn.Module):
    """A network without its classifier, its pooling, and a linear layer on what that gives."""

    def __init__(self, body: nn.Module, pooling: Pooling, classes: int = 1) -> None:
        super().__init__()
        self.body = body
        self.pooling = pooling
        of_tokens = cast("int", body.num_features) * (2 if pooling == "both" else 1)
        own = cast("int", getattr(body, "head_hidden_size", body.num_features))
        self.head = nn.Linear(own if pooling == OWN else of_tokens, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) to scores (N, classes)."""
        scores: Tensor = self.head(self.pooled(x))
        return scores

    def pooled(self, x: Tensor) -> Tensor:
        """Features (N, width) of images (N, 3, H, W)."""
        if self.pooling == OWN:
            own: Tensor = self.body(x)
            return own
        body: Any = self.body
        tokens = body.forward_features(x)
        normalize = getattr(body, "fc_norm", nn.Identity())
        token, mean = normalize(tokens[:, 0]), normalize(tokens[:, body.num_prefix_tokens :].mean(1))
        both: Tensor = torch.cat([token, mean], 1)
        return both if self.pooling == "both" else token if self.pooling == "token" else mean


def built_name(backbone: str, size: int, pooling: str) -> str:
    """The name of the network that `backbone` means at that input size and with that pooling; it is known then.

    A network of any library but timm's has one form. The name of one of timm's says the size where the network is made
    for one (position embeddings, windows) and it is another than its own. Raises UsageError for a pooling that the
    network does not have.
    """
    if not is_of_timm(backbone):
        if pooling != OWN:
            raise UsageError(
                f"{setting('pooling', pooling)} is for vision transformers of timm; {backbone} pools in its own way. "
                f"Take {setting('pooling', OWN)}."
            )
        return backbone
    make_known(backbone)
    form = Form.of(backbone)
    asked = card(backbone).fixed_size and size != card(backbone).preprocessing.size
    pooled = form.pooling if pooling == OWN else cast("Pooling", pooling)
    name = str(Form(model=form.model, size=size if asked else form.size, pooling=pooled))
    make_known(name)
    return name


def make_known(name: str) -> None:
    """Adopt the network "timm:NAME" from the timm library, unless that has happened; other names are left alone.

    Raises MachineError where timm cannot be imported, UsageError for a name that timm does not have, or a size or
    pooling that the network does not have.
    """
    if not is_of_timm(name) or is_adopted(name):
        return
    with torch.random.fork_rng():  # these weights are never used
        module = _made(name, pretrained=False)
    used, said, size = stated_preprocessing(module), stated(module), Form.of(name).size
    adopted_as(
        name,
        module,
        _HEAD if isinstance(module, PooledNetwork) else said.get("classifier"),
        used if size is None else used.at(size),
        license=said.get("license"),
        input_note=input_note(module),
        fixed_size=bool(said.get("fixed_input_size")),
    )


def network_of_timm(name: str, classes: int | None, *, pretrained: bool) -> nn.Module:
    """timm's network "timm:NAME" with timm's own weights, which it downloads, or with random ones.

    Random ones are drawn from torch's global generator. The network must be known. Raises UsageError for a number of
    classes below 1, NetworkError where timm cannot get the weights.
    """
    refuse_wrong_number(classes)
    return _for_classes(_made(name, pretrained=pretrained), name, classes)


def network_of_timm_with(
    name: str, classes: int | None, file: Path, *, new_head: bool = False, fold_stem: bool = True, say: Say = unsaid
) -> nn.Module:
    """timm's network "timm:NAME" with the weights in a file, its publisher's or one of ours.

    A publisher's file has no part of ours, and position embeddings of its own size, which timm resamples. `new_head`,
    `fold_stem` and `say` are as in `read_state`. Raises DataError where the weights do not fit, and what `read_state`
    does.
    """
    refuse_wrong_number(classes)
    known, form = card(name), Form.of(name)
    own = entry(name).build(known.classes).state_dict()
    published = {key.removeprefix(_BODY): tensor for key, tensor in own.items()}
    pooled = published.keys() != own.keys()
    state = read_state(file, known, own | published, new_head=new_head and not pooled, fold_stem=fold_stem, say=say)
    refuse_not_finite(state, file)
    if state.keys() == own.keys() and form.size is None:
        module = unloaded(name, classes or classes_in(state, known.head) or known.classes)
        load_weights(module, state, file, known.head, name=name)
        return module
    return _for_classes(_made(name, pretrained=True, state=state, file=file), name, classes)


def _for_classes(module: nn.Module, name: str, classes: int | None) -> nn.Module:
    known = card(name)
    if classes is not None and classes != known.classes:
        replace_head(module, known.head, classes, seed=0)
    return module


def _made(
    name: str, *, pretrained: bool, state: dict[str, Tensor] | None = None, file: Path | None = None
) -> nn.Module:
    form = Form.of(name)
    options: dict[str, Any] = {} if form.size is None else {"img_size": form.size}
    if state is not None:
        options["pretrained_cfg_overlay"] = {"state_dict": state}
    module = _created(name, pretrained, options, file)
    said = stated(module)
    _refuse_pooling(module, form)
    if form.pooling == OWN and _has_plain_classifier(module):
        return module
    if getattr(module, "num_classes", None) != 0:
        if state is not None:  # timm checks names strictly only where the number of classes is the file's
            features = {key: tensor for key, tensor in state.items() if not key.startswith(_classifiers(module))}
            options["pretrained_cfg_overlay"] = {"state_dict": features, "num_classes": 0}
        module = _created(name, pretrained, {**options, "num_classes": 0}, file)
    pooled = PooledNetwork(module, form.pooling)
    pooled.pretrained_cfg = said  # type: ignore[assignment]
    return pooled


def _refuse_pooling(module: nn.Module, form: Form) -> None:
    prefix = getattr(module, "num_prefix_tokens", None)
    if form.pooling == OWN or (prefix is not None and (prefix or form.pooling == "mean")):
        return
    lacks, others = ("is not a vision transformer", "") if prefix is None else ("has no class token", " or 'mean'")
    raise UsageError(
        f"{setting('pooling', form.pooling)}: {TIMM}{form.model} {lacks}. Take {setting('pooling', OWN)}{others}."
    )


def _classifiers(module: nn.Module) -> tuple[str, ...]:
    """How names begin of tensors that give the scores."""
    told = stated(module).get("classifier") or ()
    return tuple(f"{one}." for one in ((told,) if isinstance(told, str) else told))


def _has_plain_classifier(module: nn.Module) -> bool:
    """Whether one linear layer or 1x1 convolution gives the scores; distilled networks have two, others a block."""
    classifier = stated(module).get("classifier")
    if classifier is None:
        return getattr(module, "num_classes", None) != 0
    return isinstance(classifier, str) and any(
        path == classifier and can_be_a_head(layer) for path, layer in module.named_modules()
    )


def _created(name: str, pretrained: bool, options: dict[str, Any], file: Path | None) -> nn.Module:
    timm, form = _library(name), Form.of(name)
    try:
        module: nn.Module = timm.create_model(form.model, pretrained=pretrained, **options)
    except TypeError as error:
        if form.size is None:
            raise
        raise UsageError(f"{TIMM}{form.model} is made for any size of images; leave size= out of its name.") from error
    except (RuntimeError, ValueError, AssertionError) as error:
        if file is not None:
            raise DataError(f"{file} holds no weights of {name} ({str(error)[:300]}).") from error
        if pretrained:
            raise NetworkError(
                f"timm publishes no weights for {name} ({error}). Take a name of timm.list_pretrained(), "
                f"{setting('weights', 'random')}, or a file."
            ) from error
        raise UsageError(f"timm has no network {form.model!r} ({error}). See timm.list_models().") from error
    except OSError as error:
        if form.model.startswith(LOCAL):
            raise UsageError(
                f"{name}: no network of timm's in that folder ({error}). It needs config.json and a file of weights."
            ) from error
        what = "the weights of " if pretrained else ""
        drawn = f", or set {setting('weights', 'random')} if random layers are what you want" if pretrained else ""
        raise NetworkError(
            f"timm could not get {what}{name} ({error}). Try again when there is a connection, give a file of weights "
            f"({setting('weights')}) or a folder that holds config.json and weights "
            f"({setting('backbone', f'{TIMM}{LOCAL}FOLDER')}){drawn}."
        ) from error
    return module


def _library(name: str) -> Any:
    try:
        import timm
    except ImportError as error:
        raise MachineError(
            f"{name} needs the library timm, which cannot be imported here ({error}). Install it: "
            "pip install 'convlens[timm]'."
        ) from error
    return timm
