"""The run folder: written beside under a temporary name, then renamed, so that it is whole or absent."""

import dataclasses
import platform
import shlex
import shutil
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from convlens.core.bundle import BUNDLE_FILE, MODEL_FILE, Bundle
from convlens.core.extension import Extension
from convlens.core.files import disk_errors_named, sha256_of, write_atomically
from convlens.core.preprocessing import Preprocessing
from convlens.core.records import now
from convlens.core.run import (
    BAD_FILES_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RECIPE_FILE,
    RUN_FILE,
    THUMBNAILS_FOLDER,
    EpochMetrics,
    FeatureCounts,
    FreezeOutcome,
    ImageCounts,
    Mistake,
    RunRecord,
    Seconds,
    Versions,
    WeightsUsed,
)
from convlens.core.search import Search
from convlens.data.image_metadata import ImageMetadataStore
from convlens.data.manifest import Manifest, Side
from convlens.data.split_file import SPLIT_FILE, split_table
from convlens.report.run_report import write_run_report
from convlens.runs.predictions import Predictions, predictions_table, worst_mistakes
from convlens.runs.reference import Trusted, write_reference
from convlens.runs.run_directory import RunDirectory
from convlens.runs.stopwatch import Stopwatch
from convlens.training.recipe import Recipe
from convlens.training.task import Task
from convlens.zoo import serialized


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResult:
    """All that a finished training leaves behind."""

    recipe: Recipe
    changed: list[str]
    """Fields of the recipe that are not at their defaults, see `changed_settings`."""
    network: str
    """The name under which the module can be built again."""
    manifest: Manifest
    task: Task
    module: nn.Module
    preprocessing: Preprocessing
    weights: WeightsUsed
    freeze: FreezeOutcome
    features: FeatureCounts
    history: list[EpochMetrics]
    predictions: list[Predictions]
    facts: ImageMetadataStore
    warnings: list[str]
    trust: Trusted | None
    not_calibrated: str
    """Why there is no trust; "" where there is some."""
    chosen_by: Search | None
    stopwatch: Stopwatch
    extension: Extension | None = None
    command: str | None = None
    """What was typed; None for the command that trains by the recipe."""


def write_run_folder(directory: RunDirectory, result: RunResult) -> RunRecord:
    """Write every file of the run, the report last, and give the record. Raises MachineError on a full disk."""
    partial = directory.partial
    with disk_errors_named(directory.target):
        shutil.rmtree(partial, ignore_errors=True)
        (partial / THUMBNAILS_FOLDER).mkdir(parents=True)
        _write_bundle(partial, result)
        write_atomically(partial / RECIPE_FILE, result.recipe.to_toml())
        write_atomically(partial / METRICS_FILE, "".join(f"{m.model_dump_json()}\n" for m in result.history))
        problems = "".join(f"{p.model_dump_json(ensure_ascii=True)}\n" for p in result.manifest.problems)
        write_atomically(partial / BAD_FILES_FILE, problems)
        write_atomically(partial / PREDICTIONS_FILE, predictions_table(result.predictions, result.task))
        write_atomically(partial / SPLIT_FILE, split_table(result.manifest))
        record = _record(
            directory.target, result, worst_mistakes(partial, result.predictions[0], result.task, result.facts)
        )
        write_atomically(partial / RUN_FILE, record.to_json())
        write_run_report(partial)
        partial.rename(directory.target)
    return record


def _write_bundle(folder: Path, result: RunResult) -> None:
    write_atomically(folder / MODEL_FILE, serialized(result.module.state_dict()))
    bundle = Bundle(
        backbone=result.network,
        head=result.recipe.head_form,
        task=result.task.kind.name,
        classes=list(result.task.names),
        scale=result.task.kept_scale,
        preprocessing=result.preprocessing,
        precision=result.recipe.precision,
        calibration=result.trust.record.calibration if result.trust else None,
        reference=write_reference(folder, result.trust.judge) if result.trust else None,
        sha256=sha256_of(folder / MODEL_FILE),
    )
    write_atomically(folder / BUNDLE_FILE, bundle.to_json())


def _record(target: Path, result: RunResult, mistakes: list[Mistake]) -> RunRecord:
    validation, *rest = (side.evaluation for side in result.predictions)
    manifest = result.manifest
    return RunRecord(
        run=str(target),
        command=result.command or _command(manifest.folder, result.recipe),
        created=now(),
        versions=Versions(
            convlens=version("convlens"),
            torch=torch.__version__,
            python=platform.python_version(),
            machine=_machine(result.recipe.device),
        ),
        folder=manifest.folder,
        backbone=result.recipe.backbone,
        weights=result.weights,
        recipe=result.recipe.model_dump(),
        changed=result.changed,
        freeze=result.freeze,
        task=result.task.kind.name,
        loss=result.task.kind.loss,
        classes=list(manifest.classes),
        images=_counts(Counter(image.side for image in manifest.images)),
        images_per_class=_counts_per_class(manifest),
        bad_files=list(manifest.problems),
        features=result.features,
        seconds=_seconds(result.stopwatch),
        accuracy=validation.accuracy,
        validation=validation,
        test=rest[0] if rest else None,
        mistakes=mistakes,
        warnings=result.warnings,
        trust=result.trust.record if result.trust else None,
        not_calibrated=result.not_calibrated,
        chosen_by=result.chosen_by,
        extension=result.extension,
    )


def _machine(device: str) -> str:
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def _counts(sides: Counter[Side | None]) -> ImageCounts:
    return ImageCounts(train=sides["train"], val=sides["val"], test=sides["test"])


def _counts_per_class(manifest: Manifest) -> dict[str, ImageCounts]:
    sides: dict[str, Counter[Side | None]] = {name: Counter() for name in manifest.kind.counted(manifest.classes)}
    for image in manifest.images:
        for name in manifest.kind.strata(image.labels):
            sides[name][image.side] += 1
    return {name: _counts(counter) for name, counter in sides.items()}


_STAGES = ("scan", "capture", "prefix", "fit", "calibrate", "evaluate")


def _seconds(stopwatch: Stopwatch) -> Seconds:
    stages = {name: stopwatch.seconds.get(name, 0.0) for name in _STAGES}
    total = stopwatch.total
    return Seconds(
        **stages,
        decode=stopwatch.seconds.get("decode", 0.0),
        rest=max(0.0, total - sum(stages.values())),
        total=total,
    )


def _command(folder: str, recipe: Recipe) -> str:
    words = ["convlens", "train", folder]
    for name, value in recipe.model_dump().items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif value != "":
            words += [f"--{option}", str(value)]
    return shlex.join(words)
