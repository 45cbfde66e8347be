"""The run folder: written beside under a temporary name, then renamed, so that it is whole or absent."""

import csv
import dataclasses
import io
import platform
import shlex
import shutil
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from convlens.core.bundle import BUNDLE_FILE, MODEL_FILE, Bundle
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
    Evaluation,
    FeatureCounts,
    FreezeOutcome,
    ImageCounts,
    Mistake,
    RunRecord,
    Seconds,
    Versions,
    WeightsUsed,
)
from convlens.data.facts import FactsStore
from convlens.data.manifest import Manifest, Picture, Side
from convlens.data.split_file import SPLIT_FILE, split_table
from convlens.report.run_report import write_run_report
from convlens.tasks.clock import Clock
from convlens.tasks.place import Place
from convlens.training.recipe import Recipe

_MOST_MISTAKES = 24
_LIKELIEST = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """Pictures of one side with the probabilities that the network gave, of shape (N, classes)."""

    side: Side
    pictures: tuple[Picture, ...]
    probabilities: Tensor
    evaluation: Evaluation


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResult:
    """All that a finished training leaves behind."""

    recipe: Recipe
    manifest: Manifest
    module: nn.Module
    preprocessing: Preprocessing
    weights: WeightsUsed
    freeze: FreezeOutcome
    features: FeatureCounts
    history: list[EpochMetrics]
    judged: list[Judged]
    facts: FactsStore
    warnings: list[str]
    clock: Clock


def write_run_folder(place: Place, result: RunResult) -> RunRecord:
    """Write every file of the run, the report last, and give the record. Raises MachineError on a full disk."""
    partial = place.partial
    with disk_errors_named(place.target):
        shutil.rmtree(partial, ignore_errors=True)
        (partial / THUMBNAILS_FOLDER).mkdir(parents=True)
        _write_bundle(partial, result)
        write_atomically(partial / RECIPE_FILE, result.recipe.to_toml())
        write_atomically(partial / METRICS_FILE, "".join(f"{m.model_dump_json()}\n" for m in result.history))
        problems = "".join(f"{p.model_dump_json(ensure_ascii=True)}\n" for p in result.manifest.problems)
        write_atomically(partial / BAD_FILES_FILE, problems)
        write_atomically(partial / PREDICTIONS_FILE, _predictions(result))
        write_atomically(partial / SPLIT_FILE, split_table(result.manifest))
        record = _record(place.target, result, _mistakes(partial, result))
        write_atomically(partial / RUN_FILE, record.to_json())
        write_run_report(partial)
        partial.rename(place.target)
    return record


def _write_bundle(folder: Path, result: RunResult) -> None:
    state = {name: tensor.contiguous() for name, tensor in result.module.state_dict().items()}
    write_atomically(folder / MODEL_FILE, save(state))
    bundle = Bundle(
        backbone=result.recipe.backbone,
        head=result.recipe.head_form,
        classes=list(result.manifest.classes),
        preprocessing=result.preprocessing,
        precision=result.recipe.precision,
        sha256=sha256_of(folder / MODEL_FILE),
    )
    write_atomically(folder / BUNDLE_FILE, bundle.to_json())


def _predictions(result: RunResult) -> str:
    classes = result.manifest.classes
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["file", "side", "true", "predicted", *(f"p({name})" for name in classes)])
    for judged in result.judged:
        predicted = judged.probabilities.argmax(1).tolist()
        for picture, number, row in zip(judged.pictures, predicted, judged.probabilities.tolist(), strict=True):
            values = (f"{p:.6f}" for p in row)
            table.writerow([picture.file, judged.side, picture.label, classes[number], *values])
    return text.getvalue()


def _mistakes(folder: Path, result: RunResult) -> list[Mistake]:
    """The pictures whose true class was given the least probability, worst first, with their thumbnails written."""
    found: list[tuple[float, Picture, list[float]]] = []
    judged = result.judged[0]
    for picture, row in zip(judged.pictures, judged.probabilities.tolist(), strict=True):
        true = row[result.manifest.classes.index(picture.label)]
        if true < max(row):
            found.append((true, picture, row))
    found.sort(key=lambda item: (item[0], item[1].file))
    return [
        _mistake(folder, rank, picture, row, result) for rank, (_, picture, row) in enumerate(found[:_MOST_MISTAKES])
    ]


def _mistake(folder: Path, rank: int, picture: Picture, row: list[float], result: RunResult) -> Mistake:
    classes = result.manifest.classes
    thumbnail = f"{THUMBNAILS_FOLDER}/{rank:02d}.jpg"
    write_atomically(folder / thumbnail, result.facts.thumbnail(picture.sha256))
    likeliest = sorted(range(len(classes)), key=lambda i: -row[i])
    shown = [i for i in likeliest if i in likeliest[:_LIKELIEST] or classes[i] == picture.label]
    return Mistake(
        file=picture.file,
        true=picture.label,
        predicted=classes[likeliest[0]],
        probabilities={classes[i]: row[i] for i in shown},
        thumbnail=thumbnail,
    )


def _record(target: Path, result: RunResult, mistakes: list[Mistake]) -> RunRecord:
    validation, *rest = (judged.evaluation for judged in result.judged)
    manifest = result.manifest
    return RunRecord(
        run=str(target),
        command=_command(manifest.folder, result.recipe),
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
        freeze=result.freeze,
        classes=list(manifest.classes),
        images=_counts(Counter(picture.side for picture in manifest.pictures)),
        images_per_class=_counts_per_class(manifest),
        bad_files=list(manifest.problems),
        features=result.features,
        seconds=_seconds(result.clock),
        accuracy=validation.accuracy,
        validation=validation,
        test=rest[0] if rest else None,
        mistakes=mistakes,
        warnings=result.warnings,
    )


def _machine(device: str) -> str:
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def _counts(sides: Counter[Side | None]) -> ImageCounts:
    return ImageCounts(train=sides["train"], val=sides["val"], test=sides["test"])


def _counts_per_class(manifest: Manifest) -> dict[str, ImageCounts]:
    sides: dict[str, Counter[Side | None]] = {name: Counter() for name in manifest.classes}
    for picture in manifest.pictures:
        sides[picture.label][picture.side] += 1
    return {name: _counts(counter) for name, counter in sides.items()}


def _seconds(clock: Clock) -> Seconds:
    stages = {name: clock.seconds.get(name, 0.0) for name in ("scan", "capture", "prefix", "fit", "evaluate")}
    total = clock.total
    return Seconds(
        **stages,
        decode=clock.seconds.get("decode", 0.0),
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
