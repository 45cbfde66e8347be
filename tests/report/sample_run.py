"""Run folders as `convlens train` leaves them, of any number of classes, made without training."""

import random
from pathlib import Path

from PIL import Image

from convlens.core.kinds.classification import ClassificationEvaluation, ClassScore, Roc
from convlens.core.run import (
    METRICS_FILE,
    RUN_FILE,
    Crossing,
    EpochMetrics,
    FeatureCounts,
    FreezeOutcome,
    ImageCounts,
    Mistake,
    Problem,
    RunRecord,
    Seconds,
    Versions,
    WeightsUsed,
)

RECIPE: dict[str, str | int | float | bool] = {
    "backbone": "resnet18",
    "freeze": "head",
    "epochs": 12,
    "batch_size": 64,
    "optimizer": "sgd",
    "learning_rate": 0.0125,
    "nesterov": True,
    "weight_decay": 0.0001,
    "label_smoothing": 0.0,
    "seed": 7,
}


def evaluation(
    num_classes: int, per_class: int, seed: int = 0, names: list[str] | None = None
) -> ClassificationEvaluation:
    """An evaluation of about nine in ten right; its scores follow from its confusion matrix."""
    draw = random.Random(seed)
    confusion = [[0] * num_classes for _ in range(num_classes)]
    for true in range(num_classes):
        for _ in range(per_class):
            wrong = (true + draw.choice([1, 1, 3])) % num_classes
            confusion[true][true if draw.random() < 0.9 else wrong] += 1
    correct, images = sum(confusion[i][i] for i in range(num_classes)), num_classes * per_class
    return ClassificationEvaluation(
        images=images,
        accuracy=correct / images,
        interval=(max(0.0, correct / images - 0.04), min(1.0, correct / images + 0.03)),
        loss=0.2345,
        confusion=confusion,
        per_class=[_score(confusion, i, name) for i, name in enumerate(names or class_names(num_classes))],
        roc=Roc(
            positive=(names or class_names(2))[1],
            false_positive_rate=[0.0, 0.0, 0.1, 0.3, 1.0],
            true_positive_rate=[0.0, 0.6, 0.9, 1.0, 1.0],
            area=0.9625,
        )
        if num_classes == 2
        else None,
    )


def class_names(num_classes: int) -> list[str]:
    return ["ants", "bees"] if num_classes == 2 else [f"species {i:03d}" for i in range(num_classes)]


def metrics(num_epochs: int) -> list[EpochMetrics]:
    return [
        EpochMetrics(
            epoch=epoch,
            learning_rate=0.0125,
            train_loss=0.1 + 0.6 / epoch,
            train_accuracy=0.98 - 0.4 / epoch,
            val_loss=0.2 + 0.5 / epoch,
            val_accuracy=0.94 - 0.3 / epoch,
            seconds=0.25,
        )
        for epoch in range(1, num_epochs + 1)
    ]


def record(num_classes: int = 2, per_class: int = 75, num_mistakes: int = 4, **changes: object) -> RunRecord:
    """A record that holds together; `changes` replace whole fields."""
    names = changes.get("classes") or class_names(num_classes)
    assert isinstance(names, list)
    validation = evaluation(num_classes, per_class, names=names)
    made = RunRecord(
        run="runs/hymenoptera-resnet18-head",
        command="convlens train images --backbone resnet18 --freeze head --seed 7",
        created="2026-03-14T15:09:26+00:00",
        versions=Versions(convlens="0.1.0", torch="2.13.0", python="3.11.7", machine="x86_64, 2 cores, no GPU"),
        folder="/home/ada/images",
        backbone="resnet18",
        weights=WeightsUsed(source="file", name="resnet18-imagenet1k-v1", sha256="ab12" * 16),
        recipe=RECIPE,
        freeze=FreezeOutcome(
            plan="all but a new last layer",
            frozen_parameters=11_176_512,
            trained_parameters=513 * num_classes,
            crossings=[Crossing(name="flatten", module="avgpool", shape=[512, 7, 7], dtype="bfloat16")],
            frozen_unchanged=True,
        ),
        classes=names,
        images=ImageCounts(train=245, val=validation.images, test=0),
        images_per_class={name: ImageCounts(train=123, val=per_class, test=0) for name in names},
        bad_files=[
            Problem(file="ants/broken.jpg", reason="truncated", detail="ends after 1,024 bytes", used=False),
            Problem(file="bees/twin.jpg", reason="duplicate", detail="same bytes as bees/first.jpg", used=True),
        ],
        features=FeatureCounts(computed=390, reused=8, decoded=391, bytes_per_image=50176),
        seconds=Seconds(scan=0.41, capture=1.2, prefix=9.5, decode=3.25, fit=2.75, evaluate=0.3, rest=0.6, total=14.76),
        accuracy=validation.accuracy,
        validation=validation,
        test=None,
        mistakes=[_mistake(i, names) for i in range(num_mistakes)],
        warnings=[],
    )
    return made.model_copy(update=changes)


def write_run_folder(folder: Path, run: RunRecord, num_epochs: int = 12) -> Path:
    """The folder, with run.json, metrics.jsonl and a thumbnail for each mistake."""
    (folder / "thumbnails").mkdir(parents=True)
    (folder / RUN_FILE).write_text(run.to_json())
    lines = [epoch.model_dump_json() + "\n" for epoch in metrics(num_epochs)]
    (folder / METRICS_FILE).write_text("".join(lines))
    for i, mistake in enumerate(run.mistakes):
        Image.new("RGB", (32, 24), (40 * i % 256, 90, 120)).save(folder / mistake.thumbnail, "JPEG")
    return folder


def _score(confusion: list[list[int]], i: int, name: str) -> ClassScore:
    right, said, support = confusion[i][i], sum(row[i] for row in confusion), sum(confusion[i])
    precision, recall = right / said if said else 0.0, right / support
    f1 = 2 * right / (said + support)
    return ClassScore(name=name, precision=precision, recall=recall, f1=f1, support=support)


def _mistake(i: int, names: list[str]) -> Mistake:
    true, predicted = names[i % len(names)], names[(i + 1) % len(names)]
    surest = 0.97 - 0.02 * (i % 20)
    return Mistake(
        file=f"{true}/image-{i:03d}.jpg",
        true=true,
        predicted=predicted,
        probabilities={predicted: surest, true: 1 - surest},
        thumbnail=f"thumbnails/{i:03d}.jpg",
    )
