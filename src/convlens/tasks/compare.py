"""Compare: a base recipe and tricks side by side, on the same splits and seeds, from one pass over the images."""

import dataclasses
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Unpack

import torch

from convlens.backbones.at_hand import at_hand
from convlens.backbones.resolve import whole_name
from convlens.comparison.data_efficiency import DataEfficiency, data_efficiency
from convlens.comparison.lr_finder import range_test
from convlens.comparison.plan import AT_HAND, Plan
from convlens.comparison.race import race
from convlens.comparison.results import Contestant, Recommendation, recommended, standings
from convlens.comparison.shared_training import SharedTraining
from convlens.comparison.tricks import PLAIN, TRICKS
from convlens.core.comparison import ComparedRecipe, Comparison, RangeTest
from convlens.core.errors import UsageError
from convlens.core.files import disk_errors_named
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.records import now
from convlens.core.run import Versions
from convlens.core.settings import setting
from convlens.data.manifest import Manifest
from convlens.data.scan import scan
from convlens.pipeline.changes import RecipeChanges
from convlens.pipeline.notices import say_layout
from convlens.pipeline.resolve import changed_recipe
from convlens.pipeline.split import layout_of, with_whole_paths
from convlens.pipeline.validate import refuse_contradictions
from convlens.report.compare import write_comparison
from convlens.runs.run_directory import unused_run_name
from convlens.training.recipe import SETTINGS, Recipe, with_present_names
from convlens.training.tasks import TASKS

COMPARISONS_FOLDER = Path("comparisons")
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
    scratch: bool = True,
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
    learning_rate, ...). Every recipe is trained with `seeds` seeds; each seed splits the images again where there is
    no val/, and with `folds` every seed judges each image once. The frozen part runs once per image. `backbones`
    are names, each with its usual weights or "NAME=FILE", or "at-hand" for all whose trained weights are on this
    machine; with them the rows tell what each network costs. `budget` is in seconds: tricks, further seeds and
    fractions that do not fit are left out, and said; how long all of it will take is said after the first training.
    `fractions` of the training images are tried with the base and, with `scratch`, from random weights; from three of
    them on, the record forecasts what more images would be worth. `lr_find` takes the base's learning
    rate from a range test. What is called best was shown to be better than the base; ties go to the cheaper recipe.
    Recipes are compared image by image: by whether the class, or all labels, are right, or by the squared error of the
    numbers in variances of the validation images; tricks that make no sense for what is learned are left out, and said.

    The folder `out` gets the page, the record and the best recipe. Raises UsageError for unknown names and values out
    of range, DataError for unusable images.
    """
    start = time.perf_counter()
    plan = _plan(
        _base(recipe, changes),
        tricks,
        seeds=seeds,
        folds=folds,
        budget=budget,
        fractions=fractions,
        scratch=scratch,
        backbones=backbones,
    )
    target = _target(out, folder)
    manifest = scan(folder, progress, layout_of(plan.base))
    say_layout(manifest, say)
    plan, unfit = plan.suited_to(manifest.task)
    shared = SharedTraining(manifest, progress, say, trials=plan.trials)
    say(_announcement(manifest, plan))
    found = _found_rate(shared, plan, say) if lr_find else None
    if found:
        plan = plan.with_learning_rate(found.proposed)
    results = _results(shared, plan, manifest, start, progress, say)
    record = _record(
        results, shared, plan, manifest, target, found=found, unfit=unfit, seconds=time.perf_counter() - start
    )
    write_comparison(target, record, _best_recipe(results, shared, plan).to_toml())
    return record


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Results:
    """What came out."""

    contestants: Sequence[Contestant]
    rows: list[ComparedRecipe]
    best: Recommendation
    efficiency: DataEfficiency
    left_out: list[str]


def _plan(
    base: Recipe,
    tricks: Sequence[str] | None,
    *,
    seeds: int,
    folds: int,
    budget: float | None,
    fractions: Sequence[float],
    scratch: bool,
    backbones: Sequence[str],
) -> Plan:
    """What is asked for. Raises UsageError for what cannot be."""
    if tricks is None:
        tricks = () if fractions or backbones else DEFAULT_TRICKS
    plan = Plan(
        base=base,
        tricks=tuple(tricks),
        backbones=tuple(_named_backbones(backbones, base)),
        fractions=tuple(fractions),
        scratch=scratch,
        seeds=seeds,
        folds=folds,
        budget=budget,
    )
    plan.refuse_wrong()
    return plan


def _base(recipe: Recipe | str | Path | None, changes: Mapping[str, object]) -> Recipe:
    if recipe is not None:
        base = changed_recipe(recipe, **changes)
    else:
        derived = {one.name: one.initial for one in SETTINGS.values() if one.common and one.initial != one.default}
        base = changed_recipe(Recipe.of(**PLAIN), **{**derived, **with_present_names(changes)})
    refuse_contradictions(base)
    return with_whole_paths(base)


def _named_backbones(backbones: Sequence[str], base: Recipe) -> Iterator[str]:
    """Each as "NAME" or "NAME=FILE"; those at hand one by one, without the base's."""
    for one in backbones:
        if one == AT_HAND:
            yield from (name for name in at_hand() if name != base.backbone)
        else:
            yield _with_whole_path(one)


def _with_whole_path(backbone: str) -> str:
    """ "NAME", or "NAME=FILE" with the file's absolute path."""
    name, given, weights = backbone.partition("=")
    return f"{name}={whole_name(weights)}" if given and weights else backbone


def _announcement(manifest: Manifest, plan: Plan) -> str:
    kind = manifest.kind
    summary = f"{len(manifest.images)} images {kind.summary(manifest.classes)}, {len(plan.contestants)} recipes"
    return summary if kind.exclusive else f"{summary}, compared by the {kind.measure.name} on each validation image"


def _found_rate(shared: SharedTraining, plan: Plan, say: Say) -> RangeTest:
    base = plan.first_recipe
    fitting = shared.fitting(base, shared.divided(base))
    found = range_test(fitting.model(), fitting.examples("train", augment=base.augment), base)
    say(f"range test: learning rate {found.proposed:g}")
    return found


def _results(
    shared: SharedTraining, plan: Plan, manifest: Manifest, start: float, progress: Progress, say: Say
) -> _Results:
    """Train everything, and rank it."""
    shared.divided(plan.first_recipe)  # the frozen layers run now, so that the first training's time is its own
    TASKS[manifest.task].refuse_unmeasurable(manifest.classes, shared.validated(plan.first_recipe))
    end = None if plan.budget is None else start + plan.budget
    trials, measure = plan.trials, shared.measure
    contestants, left_out = race(shared, plan.contestants, trials, end=end, progress=progress, say=say)
    efficiency = data_efficiency(
        shared, plan.base, trials, plan.fractions, scratch=plan.scratch, end=end, progress=progress, say=say
    )
    contestants = [_with_cost(one, shared, say) if one.name in plan.with_cost else one for one in contestants]
    rows = standings(contestants, [(one.seed, one.fold) for one in trials], measure)
    return _Results(
        contestants=contestants,
        rows=rows,
        best=recommended(contestants, rows, measure),
        efficiency=efficiency,
        left_out=left_out + efficiency.left_out,
    )


def _with_cost(one: Contestant, shared: SharedTraining, say: Say) -> Contestant:
    cost = shared.backbone_cost(one.recipe)
    if cost.images_per_second is not None:
        pace = f"{cost.images_per_second:.1f} images a second"
        say(
            f"{cost.backbone}: {pace} through the frozen layers, measured on {cost.sample} images after a warm-up batch"
        )
    return dataclasses.replace(one, cost=cost)


def _record(
    results: _Results,
    shared: SharedTraining,
    plan: Plan,
    manifest: Manifest,
    target: Path,
    *,
    found: RangeTest | None,
    unfit: list[str],
    seconds: float,
) -> Comparison:
    split = shared.divided(plan.first_recipe)
    return Comparison(
        folder=str(target),
        images_folder=manifest.folder,
        command=plan.command(manifest.folder),
        created=now(),
        versions=_versions(),
        task=manifest.task,
        classes=list(split.classes),
        num_train=len(split.side("train")),
        num_val=len(split.side("val")),
        num_runs=len(results.contestants[0].outcomes),
        rows=results.rows,
        best=results.best.name,
        best_because=results.best.reason,
        features=shared.counts,
        frozen_unchanged=shared.frozen_unchanged,
        fractions=results.efficiency.points,
        forecast=results.efficiency.forecast,
        range_test=found,
        left_out=unfit + results.left_out,
        seconds=seconds,
    )


def _versions() -> Versions:
    return Versions(
        convlens=version("convlens"),
        torch=torch.__version__,
        python=platform.python_version(),
        machine=f"{platform.machine()}, {torch.get_num_threads()} threads",
    )


def _best_recipe(results: _Results, shared: SharedTraining, plan: Plan) -> Recipe:
    """The recommended one with the first seed, and with the number formats in which it trained."""
    chosen = next(one for one in results.contestants if one.name == results.best.name)
    return shared.settled(chosen.recipe.model_copy(update={"seed": plan.trials[0].seed}))


def _target(out: str | Path | None, folder: str | Path) -> Path:
    if out is None:
        return unused_run_name(COMPARISONS_FOLDER, Path(folder).resolve().name)
    target = Path(out).expanduser()
    if target.exists():
        raise UsageError(
            f"{setting('out', target)} already exists, and comparisons are never overwritten. Give another name."
        )
    with disk_errors_named(target):  # before the work, not after it
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    return target
