"""Compare: a base recipe and tricks side by side, on the same splits and seeds, from one pass over the images."""

import contextlib
import math
import platform
import shlex
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from convlens.backbones.resolve import whole_name
from convlens.comparison.data_efficiency import fraction_points, refuse_wrong_fractions
from convlens.comparison.lr_finder import range_test
from convlens.comparison.results import Contestant, recommended, standings
from convlens.comparison.shared_training import SharedTraining
from convlens.comparison.siblings import family
from convlens.comparison.trials import Trial, trials_of
from convlens.comparison.tricks import PLAIN, TRICKS, together, trick
from convlens.core.comparison import Comparison, RangeTest
from convlens.core.durations import duration
from convlens.core.errors import ConvlensError, DivergedError, UsageError
from convlens.core.files import disk_errors_named
from convlens.core.progress import Advance, Progress, Say, silent, unsaid
from convlens.core.records import now
from convlens.core.run import Versions
from convlens.data.scan import scan
from convlens.pipeline.resolve import changed_recipe
from convlens.pipeline.split import layout_of, with_whole_paths
from convlens.pipeline.validate import refuse_contradictions, refuse_incomparable
from convlens.report.compare import write_comparison
from convlens.runs.run_directory import unused_run_name
from convlens.training.recipe import Recipe

COMPARISONS_FOLDER = Path("comparisons")
_BASE = "base"
_OPTIONS = ("backbone", "weights", "freeze", "size", "epochs", "learning_rate", "precision", "seed")
_DIVISION = ("val_fraction", "labels", "nested", "group_by", "split")
"""Options that stand in a command only where they say something."""
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
    **changes: object,
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
    rounds = trials_of(base, seeds, folds)
    refuse_wrong_fractions(fractions, base)
    if budget is not None and not 0 <= budget < math.inf:
        raise UsageError(f"--budget {budget:g}s: give a time, such as 90s, 2m or 1h.")
    target = _target(out, folder)
    manifest = scan(folder, progress, layout_of(base))
    refuse_incomparable(manifest.task)
    bench = SharedTraining(manifest, progress, say)
    say(f"{len(manifest.images)} images of {len(manifest.classes)} classes, {len(contestants)} recipes")
    found = None
    if lr_find:
        found = _found_rate(bench, base, rounds[0])
        say(f"range test: learning rate {found.proposed:g}")
        base = base.model_copy(update={"learning_rate": found.proposed})
        contestants = _contestants(base, tricks, backbones)
    bench.divided(rounds[0].seeded(base))  # the frozen layers run now, so that the first training's time is its own
    end = None if budget is None else start + budget
    left_out = _race(bench, contestants, rounds, end, progress, say)
    contestants = [one for one in contestants if one.outcomes]
    points, without = fraction_points(bench, base, rounds, fractions, end, progress, say) if fractions else ([], [])
    rows = standings(contestants, [(one.seed, one.fold) for one in rounds])
    best = recommended(contestants, rows)
    split = bench.divided(rounds[0].seeded(base))
    record = Comparison(
        folder=str(target),
        images_folder=manifest.folder,
        command=_command(manifest.folder, base, tricks, seeds, folds, budget, fractions, backbones),
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
        features=bench.counts,
        frozen_unchanged=bench.frozen_unchanged,
        fractions=points,
        range_test=found,
        left_out=left_out + without,
        seconds=time.perf_counter() - start,
    )
    chosen = next(one for one in contestants if one.name == best.name)
    best_recipe = bench.settled(chosen.recipe.model_copy(update={"seed": rounds[0].seed}))
    write_comparison(target, record, best_recipe.to_toml())
    return record


def _base(recipe: Recipe | str | Path | None, changes: dict[str, object]) -> Recipe:
    if recipe is not None:
        base = changed_recipe(recipe, **changes)
    else:
        named = {"backbone": "house", "weights": None, "size": None, "precision": "auto"}
        base = changed_recipe(Recipe.of(**PLAIN), **{**named, **changes})
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


def _race(
    bench: SharedTraining,
    contestants: Sequence[Contestant],
    rounds: Sequence[Trial],
    end: float | None,
    progress: Progress,
    say: Say,
) -> list[str]:
    """Train every recipe in every round that the budget allows; what is left out is given back, with the reason."""
    left_out: list[str] = []
    longest = 0.0
    total = len(contestants) * len(rounds)
    with progress("compare", total) as advance:
        for number, trial in enumerate(rounds):
            begun = time.perf_counter()
            if end is not None and number and begun + longest > end:
                left_out.append(f"{len(rounds) - number} of {len(rounds)} runs of each recipe: the budget was used up")
                break
            racing = [one for one in contestants if one.outcomes or not number]
            limit = None if number else end  # in the first round the clock is asked before each recipe
            for group in _families(racing) if limit is None else [[one] for one in racing]:
                if limit is not None and group[0] is not contestants[0] and time.perf_counter() > limit:
                    left_out.append(f"{group[0].name}: the budget was used up")
                else:
                    left_out += _train(bench, group, trial, advance)
                if not number and group[0] is contestants[0]:
                    _say_pace(say, len(group), total, time.perf_counter() - begun)
            if number:
                longest = max(longest, time.perf_counter() - begun)
            elif len(rounds) > 1:
                took, others = time.perf_counter() - begun, len(rounds) - 1
                say(f"one training of each recipe took {duration(took)}; the rest, about {duration(took * others)}")
    return left_out


def _say_pace(say: Say, done: int, total: int, seconds: float) -> None:
    """What is to be expected, after the first trainings: those of the base, and of all that trained with it at once."""
    if total > done:
        first = "the first training" if done == 1 else f"the first {done} trainings"
        say(
            f"{first} took {duration(seconds)}; {total} of that kind, about {duration(seconds * total / done)}. "
            "Recipes that train more layers take longer"
        )


def _families(contestants: Sequence[Contestant]) -> list[list[Contestant]]:
    """Those whose heads see the same minibatches, and may train at once."""
    families: dict[Recipe, list[Contestant]] = {}
    for one in contestants:
        families.setdefault(family(one.recipe), []).append(one)
    return list(families.values())


def _train(bench: SharedTraining, group: Sequence[Contestant], trial: Trial, advance: Advance) -> list[str]:
    """Train contestants of one family, at once where that is faster, else one after another.

    One that diverges is out, with all its runs, and said; without the base there is nothing to compare with.
    """
    left_out = []
    recipes = [trial.seeded(one.recipe) for one in group]
    with _named(group[0]):
        outcomes = bench.run_at_once(recipes)
    for contestant, recipe, outcome in zip(group, recipes, outcomes, strict=True):
        try:
            with _named(contestant):
                contestant.outcomes.append(outcome or bench.run(recipe, bench.divided(recipe)))
        except DivergedError as error:
            if contestant.name == _BASE:
                raise
            contestant.outcomes.clear()
            left_out.append(f"with seed {recipe.seed}, {error}")
        advance(1, contestant.name)
    return left_out


@contextlib.contextmanager
def _named(contestant: Contestant) -> Iterator[None]:
    """An error inside says whose it is."""
    try:
        yield
    except ConvlensError as error:
        raise type(error)(f"recipe {contestant.name!r}: {error}") from error


def _found_rate(bench: SharedTraining, base: Recipe, trial: Trial) -> RangeTest:
    fitting = bench.fitting(base, bench.divided(trial.seeded(base)))
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
        if name in _OPTIONS or (name in _DIVISION and value != plain[name]):
            option = f"--{name.replace('_', '-')}"
            words += [option] if value is True else [option, str(value)]
        elif value != plain[name]:
            words += ["--set", f"{name}={value}"]
    return shlex.join(words)
