"""Notices: what a person should know before a training begins."""

from collections import Counter

from convlens.backbones.external import GIVEN, PRETRAINED
from convlens.backbones.resolve import RANDOM, weights_named
from convlens.core.progress import Say
from convlens.core.run import BAD_FILES_FILE, NO_LABEL, few_of_each_reason, outside_table
from convlens.core.settings import Notice, setting
from convlens.data.foreign import FOREIGN
from convlens.data.manifest import SIDES, Manifest
from convlens.training.recipe import Recipe
from convlens.transfer.prefix import ExtractedFeatures
from convlens.zoo import PACKAGE, card

_MOST_SAID = 20
_FEW = 5
_FEW_IMAGES = 5
_FREE = frozenset({"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0"})
"""Licenses that allow all use, as timm writes them."""
_UNKNOWN = "unknown"


class Warnings:
    """Says a warning and keeps it for the record."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.kept: list[str] = []

    def __call__(self, text: str) -> None:
        """Say it, and keep it."""
        self._say(text)
        self.kept.append(text)


def say_start(recipe: Recipe, say: Say) -> None:
    """Say that training all layers goes on from trained ones: that it begins again is easily taken for granted."""
    if recipe.freeze != "none" or recipe.weights == RANDOM:
        return
    own = recipe.weights == GIVEN
    known = {PACKAGE: "the package's weights", GIVEN: "the module's own weights"}
    rate = (
        f"at {recipe.layer_decay:g} times the learning rate for each block below the head"
        if recipe.layer_decay
        else f"at {recipe.backbone_lr:g} times the learning rate below the head"
    )
    scratch = "" if own else f"; {setting('weights', RANDOM)} trains from scratch"
    say(Notice(f"starts from {known.get(recipe.weights, f'the weights {recipe.weights}')}, {rate}{scratch}"))


def say_license(recipe: Recipe, say: Say) -> None:
    """Say, before weights are downloaded by another library, under which license they are: some are not free."""
    if recipe.weights != PRETRAINED:
        return
    told = card(recipe.backbone).license
    if told in (None, _UNKNOWN):
        say(f"timm states no license for the weights of {recipe.backbone}: ask their publisher before you share them")
        return
    known = told.lower() in _FREE
    warning = "" if known else ", not a common free license: read it before you use or share what you train"
    say(f"the weights of {recipe.backbone} are under the license {told}{warning}")


def say_layout(manifest: Manifest, say: Say) -> None:
    """Say what folders and tables were taken for where they may be meant otherwise."""
    for notice in manifest.notices:
        say(Notice(notice))


def say_found(manifest: Manifest, say: Say) -> None:
    """Say, before training, what there is to learn from and what is wrong with the rest."""
    sides = ", ".join(f"{len(manifest.side(side))} {side}" for side in SIDES if manifest.side(side))
    say(f"{len(manifest.images)} images {manifest.kind.summary(manifest.classes)}: {sides}")
    left_out = [f"{one.file} ({one.detail})" for one in manifest.problems if one.reason == FOREIGN]
    if left_out:
        more = f" and {len(left_out) - _MOST_SAID} more" if len(left_out) > _MOST_SAID else ""
        say(f"folders left out: {', '.join(left_out[:_MOST_SAID])}{more}")
    if outside := outside_table(manifest.problems):
        say(outside)
    problems = [one for one in manifest.problems if one.reason not in {FOREIGN, NO_LABEL}]
    if problems:
        files = "1 file with a remark," if len(problems) == 1 else f"{len(problems)} files with remarks, all of them"
        say(f"{files} listed in {BAD_FILES_FILE} of the run:")
    for line in few_of_each_reason(problems, _FEW):
        say(f"  {line}")


def say_loss(manifest: Manifest, say: Say) -> None:
    """Which loss is trained on, and why: a table may be taken for something else than it is."""
    kind = manifest.kind
    otherwise = f"if this is wrong, set {setting('task')}"
    say(Notice(f"loss: {kind.loss}, since the table of labels holds {kind.holds} ({otherwise})"))


def warn_of_random_weights(recipe: Recipe, warn: Say) -> None:
    """Warn where layers stay as they were drawn."""
    if recipe.weights == RANDOM and recipe.freeze != "none":
        trained = weights_named(recipe.backbone, None) or "FILE"
        warn(
            Notice(
                f"the frozen layers of {recipe.backbone} have random weights and have learned nothing. For real use, "
                f"give trained ones: {setting('weights', trained)}."
            )
        )


def warn_of_data(manifest: Manifest, features: ExtractedFeatures, warn: Say) -> None:
    """Warn of damage in the store, and of classes or labels with few images."""
    for path in (*features.table.shards.set_aside, *features.facts.shards.set_aside):
        warn(f"a damaged file of the feature store was set aside and computed again: {path.name}")
    kind = manifest.kind
    numbers = Counter(name for image in manifest.side("train") for name in kind.strata(image.labels))
    few = [label for label in kind.counted(manifest.classes) if numbers[label] < _FEW_IMAGES]
    if few:
        named = ", ".join(few[:10])
        warn(f"fewer than {_FEW_IMAGES} training images in: {named}. Expect poor results for these {kind.noun[1]}.")
