"""Compare: a base recipe and tricks side by side, on the same splits and seeds, from one pass over the images."""

import math
import platform
import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Unpack

import torch

from convlens.backbones.resolve import whole_name
from convlens.comparison.data_efficiency import fraction_points, refuse_wrong_fractions
from convlens.comparison.lr_finder import range_test
from convlens.comparison.race import race
from convlens.comparison.results import Contestant, recommended, standings
from convlens.comparison.shared_training import SharedTraining
from convlens.comparison.trials import Trial, trials_of
from convlens.comparison.tricks import PLAIN, TRICKS, together, trick
from convlens.core.comparison import Comparison, RangeTest
from convlens.core.errors import UsageError
from convlens.core.files import disk_errors_named
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.records import now
from convlens.core.run import Versions
from convlens.data.scan import scan
from convlens.pipeline.changes import RecipeChanges
from convlens.pipeline.resolve import changed_recipe
from convlens.pipeline.split import layout_of, with_whole_paths
from convlens.pipeline.validate import refuse_contradictions, refuse_incomparable
from convlens.report.compare import write_comparison
from convlens.runs.run_directory import unused_run_name
from convlens.training.recipe import DATA, SETTINGS, Recipe, with_present_names
from convlens.training.setting import flag

COMPARISONS_FOLDER = Path("comparisons")
_BASE = "base"
ALL_TRICKS = tuple(TRICKS)
DEFAULT_TRICKS = ("momentum", "adam", "cosine", "weight-decay", "dropout", "label-smoothing", "mixup", "ema")


def compare(
    folder: str | Path,
    *,
    tricks: Sequence[str] | None = None,
    recipe: Recipe | str | Path | None = None,
    seeds: int = 5,
    folds: int = 0,
    budget: float | None = None,
    fractions: Sequence[float] = (),
    backbones: Sequence[str] = (),
    lr_find: bool = False,
    out: str | Path | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
    **changes: Unpack[RecipeChanges],
) -> Comparison:
    """The comparison of a base recipe with each trick added to it, with all of them together, and with other backbones.

    `tricks` None means a choice of eight, or none where `fractions` or `backbones` say what to compare. The base is
    `recipe` (a record or a TOML file) or plain gradient descent, with `changes` to its fields (backbone, epochs,
    learning_rate, ...). Every recipe is trained with `seeds` seeds; each seed splits the images anew where there is
    no val/, and with `folds` every seed judges each image once. The frozen part runs once per image. `backbones`
    are names, each with its usual weights or "NAME=FILE". `budget` is in seconds: tricks, further seeds and fractions
    that do not fit are left out, and said; how long all of it will take is said after the first training. `fractions`
    of the training images are tried with the base and from scratch. `lr_find` takes the base's learning rate from a
    range test. What is called best was shown to be better than the base; ties go to the cheaper recipe.

    The folder `out` gets the page, the record and the best recipe. Raises UsageError for unknown names and values out
    of range, DataError for unusable images.
    """
    start = time.perf_counter()
    base = _base(recipe, changes)
    if tricks is None:
        tricks = () if fractions or backbones else DEFAULT_TRICKS
    backbones = [_with_whole_path(one) for one in backbones]
    contestants = _contestants(base, tricks, backbones)
    trials = trials_of(base, seeds, folds)
    refuse_wrong_fractions(fractions, base)
    if budget is not None and not 0 <= budget < math.inf:
        raise UsageError(f"--budget {budget:g}s: give a time, such as 90s, 2m or 1h.")
    target = _target(out, folder)
    manifest = scan(folder, progress, layout_of(base))
    refuse_incomparable(manifest.task)
    shared = SharedTraining(manifest, progress, say)
    say(f"{len(manifest.images)} images of {len(manifest.classes)} classes, {len(contestants)} recipes")
    found = None
    if lr_find:
        found = _found_rate(shared, base, trials[0])
        say(f"range test: learning rate {found.proposed:g}")
        base = base.model_copy(update={"learning_rate": found.proposed})
        contestants = _contestants(base, tricks, backbones)
    shared.divided(trials[0].seeded(base))  # the frozen layers run now, so that the first training's time is its own
    end = None if budget is None else start + budget
    contestants, left_out = race(shared, contestants, trials, end=end, progress=progress, say=say)
    points, without = fraction_points(shared, base, trials, fractions, end=end, progress=progress, say=say)
    rows = standings(contestants, [(one.seed, one.fold) for one in trials])
    best = recommended(contestants, rows)
    split = shared.divided(trials[0].seeded(base))
    record = Comparison(
        folder=str(target),
        images_folder=manifest.folder,
        command=_command(
            manifest.folder,
            base,
            tricks=tricks,
            seeds=seeds,
            folds=folds,
            budget=budget,
            fractions=fractions,
            backbones=backbones,
        ),
        created=now(),
        versions=Versions(
            convlens=version("convlens"),
            torch=torch.__version__,
            python=platform.python_version(),
            machine=f"{platform.machine()}, {torch.get_num_threads()} threads",
        ),
        classes=list(split.classes),
        num_train=len(split.side("train")),
        num_val=len(split.side("val")),
        num_runs=len(contestants[0].outcomes),
        rows=rows,
        best=best.name,
        best_because=best.reason,
        features=shared.counts,
        frozen_unchanged=shared.frozen_unchanged,
        fractions=points,
        range_test=found,
        left_out=left_out + without,
        seconds=time.perf_counter() - start,
    )
    chosen = next(one for one in contestants if one.name == best.name)
    best_recipe = shared.settled(chosen.recipe.model_copy(update={"seed": trials[0].seed}))
    write_comparison(target, record, best_recipe.to_toml())
    return record


def _base(recipe: Recipe | str | Path | None, changes: Mapping[str, object]) -> Recipe:
    if recipe is not None:
        base = changed_recipe(recipe, **changes)
    else:
        derived = {one.name: one.initial for one in SETTINGS.values() if one.common and one.initial != one.default}
        base = changed_recipe(Recipe.of(**PLAIN), **{**derived, **with_present_names(changes)})
    refuse_contradictions(base)
    return with_whole_paths(base)


def _with_whole_path(backbone: str) -> str:
    """ "NAME", or "NAME=FILE" with the file's absolute path."""
    name, given, weights = backbone.partition("=")
    return f"{name}={whole_name(weights)}" if given and weights else backbone


def _contestants(base: Recipe, tricks: Sequence[str], backbones: Sequence[str]) -> list[Contestant]:
    """The base, each trick, all of them together, and the base on other backbones."""
    chosen = [trick(name) for name in dict.fromkeys(tricks)]
    found = [Contestant(name=_BASE, does="the base recipe", recipe=base)]
    found += [Contestant(name=one.name, does=one.does, recipe=one.apply(base)) for one in chosen]
    if len(chosen) > 1:
        all_of_them = together(chosen)
        found.append(
            Contestant(name=all_of_them.name, does=f"all at once: {all_of_them.does}", recipe=all_of_them.apply(base))
        )
    for name in backbones:
        backbone, _, weights = name.partition("=")
        other = changed_recipe(base, backbone=backbone, weights=weights or None, size=None)
        found.append(Contestant(name=backbone, does=f"{backbone}, weights {other.weights}", recipe=other))
    for one in found:
        refuse_contradictions(one.recipe)
    return found


def _found_rate(shared: SharedTraining, base: Recipe, trial: Trial) -> RangeTest:
    fitting = shared.fitting(base, shared.divided(trial.seeded(base)))
    return range_test(fitting.model(), fitting.examples("train", augment=base.augment), base)


def _target(out: str | Path | None, folder: str | Path) -> Path:
    if out is None:
        return unused_run_name(COMPARISONS_FOLDER, Path(folder).resolve().name)
    target = Path(out).expanduser()
    if target.exists():
        raise UsageError(f"--out {target} exists already, and comparisons are never overwritten. Give another name.")
    with disk_errors_named(target):  # before the work, not after it
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    return target


def _command(
    folder: str,
    base: Recipe,
    *,
    tricks: Sequence[str],
    seeds: int,
    folds: int,
    budget: float | None,
    fractions: Sequence[float],
    backbones: Sequence[str],
) -> str:
    """A command that gives the same table again. The rate that a range test found stands in it as a number."""
    words = ["convlens", "compare", folder, "--tricks", ",".join(tricks), "--seeds", str(seeds)]
    words += ["--folds", str(folds)] if folds else []
    words += ["--budget", f"{budget:g}s"] if budget is not None else []
    words += ["--fractions", ",".join(f"{fraction:g}" for fraction in fractions)] if fractions else []
    words += ["--backbones", ",".join(backbones)] if backbones else []
    plain = Recipe.of(**PLAIN).model_dump()
    for name, value in base.model_dump().items():
        common, states = SETTINGS[name].common, SETTINGS[name].panel != DATA or value != plain[name]
        if common and states:
            words += [flag(name)] if value is True else [flag(name), str(value)]
        elif value != plain[name]:
            words += ["--set", f"{name}={value}"]
    return shlex.join(words)
