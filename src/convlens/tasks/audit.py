"""Audit: wrong labels, leaks and shortcuts of a folder, and a page on which to review them. Only reads the folder."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from convlens.core.audit import AUDIT_FILE, AUDIT_PAGE, AuditRecord, LabelAudit, Written
from convlens.core.errors import UsageError
from convlens.core.files import refuse_unwritable, write_atomically
from convlens.core.kinds.kind import text_of
from convlens.core.progress import Progress, Say, silent, unsaid
from convlens.core.records import now
from convlens.core.settings import setting
from convlens.data.archive import folder_of
from convlens.data.corrected_table import LabelRows, are_ambiguous
from convlens.data.decode import BadImage, thumbnail_from
from convlens.data.file_facts import FileFacts, file_facts
from convlens.data.layout import Layout
from convlens.data.manifest import ImageFile, Manifest, one_of_each
from convlens.data.scan import labeled_images
from convlens.data.table_file import read_table
from convlens.pipeline.embedding import Embedded, embedder_of
from convlens.pipeline.judged_labels import judged
from convlens.pipeline.label_audit import label_audit
from convlens.pipeline.leaks import leaks_of
from convlens.pipeline.notices import say_layout
from convlens.pipeline.resolve import resolved_recipe
from convlens.pipeline.shortcuts import shortcuts
from convlens.pipeline.split import layout_of
from convlens.report.audit_page import Reviewed, items_of, neighbors_of, write_audit_page
from convlens.runs.run_directory import unused_run_name

AUDITS_FOLDER = Path("audits")
_SHOWN_SIDE, _SHOWN_SIDE_OF_MANY, _NEIGHBOR_SIDE = 256, 160, 80
"""Pixels of the longer side of images to be reviewed, of few and of many, and of those beside them."""
_MANY = 300
_PREDICTED = ("predicted", "prediction", "pred", "predicted_label", "predicted_class", "pred_label", "y_pred")
CONFIDENCE = 0.9
"""So sure, on 20 classes of Tiny ImageNet with 5 and 10% wrong labels, suggestions are right more often than labels."""


def audit(
    folder: str | Path,
    *,
    backbone: str = "efficientnet_lite0",
    weights: str | Path | None = None,
    size: int | None = None,
    labels: str | Path | None = None,
    file_column: str = "",
    task: str = "auto",
    label_columns: str = "",
    nested: bool = False,
    predefined_split: bool = True,
    group_by: str = "",
    seed: int = 0,
    corrected: str | Path | None = None,
    predictions: str | Path | None = None,
    write: str | Path | None = None,
    confidence: float | None = None,
    out: str | Path | None = None,
    progress: Progress = silent,
    say: Say = unsaid,
) -> AuditRecord:
    """Which labels of a folder of images are likely wrong, and how many; nothing in the folder is changed.

    Every image is judged by a linear classifier on the features of `backbone` that was not trained on it, nor on
    images that look like it or are of its group; the features are those that `train` stores. Labels are suspect by
    confident learning (see trust.label_errors). `folder` and the settings from `labels` to `group_by` are as in
    `train`; images have one class each.

    The side of a split that is evaluated on (test/, or else val/) is sealed: networks that judge it were trained on
    none of it, and on the page its suspects are reviewed blind among as many other images. `write` is a CSV file to
    be made, of all images with their labels, in which suggestions outside that side are taken that have at least the
    probability `confidence` (0.9 by default). `corrected` is such a table, written or from the page: the record then
    says what it is worth, on labels that it does not change.

    Where the folder has sides, what leaks from the training side to the evaluated one is listed (see core.leaks), with
    the accuracy that hangs on it: that of a table of `predictions`, by convlens or others, with a column of files and
    one called predicted (or prediction, pred, predicted_label, ...), else of a classifier on the features. Facts about
    files are listed that tell the classes without their content.

    The folder `out` gets the page and the record, by default one under audits/. Raises UsageError for wrong arguments
    and labels that are not classes, DataError where there are too few images.
    """
    start = time.perf_counter()
    target = _target(out, folder)
    _refuse_wrong(write, confidence, corrected)
    column = _prediction_column(predictions) if predictions is not None else ""
    recipe = resolved_recipe(
        None,
        backbone=backbone,
        weights=weights,
        size=size,
        labels=str(labels or ""),
        file_column=file_column,
        task=task,
        label_columns=label_columns,
        nested=nested,
        predefined_split=predefined_split,
        group_by=group_by,
        seed=seed,
    )
    layout = layout_of(recipe)
    manifest = labeled_images(folder, progress, layout)
    say_layout(manifest, say)
    _refuse_other_than_classes(manifest)
    corrections = _labels_of(corrected, folder)
    predicted = _labels_of(predictions, folder, column)
    embedder = embedder_of(backbone, weights=weights, size=size, progress=progress, say=say)
    embedded = embedder.of(one_of_each(manifest.images), progress)
    with progress("judge", len(embedded.images)) as advance:
        found = judged(manifest, embedded, seed, say)
        advance(len(embedded.images))
    facts = _facts(manifest, embedded)
    record = AuditRecord(
        folder=manifest.folder,
        created=now(),
        network=backbone,
        weights=recipe.weights,
        files=len(manifest.images),
        classes=list(found.classes),
        ambiguous_classes=are_ambiguous(sorted({text_of(one.labels) for one in manifest.images})),
        labels=label_audit(found, corrections, str(corrected or "")),
        leaks=leaks_of(manifest, found.side, embedded, facts, predicted, str(predictions or "")),
        shortcuts=shortcuts(found, embedded.facts, facts),
        written=None,
        page=str(target / AUDIT_PAGE),
        bad_files=[*manifest.problems, *embedded.problems],
        seconds=time.perf_counter() - start,
    )
    rows = LabelRows.of(manifest.images, _group_column(layout, folder))
    if write is not None:
        written = _write(Path(write).expanduser(), record.labels, rows, confidence or CONFIDENCE)
        record = record.model_copy(update={"written": written})
    write_audit_page(record, _reviewed(record, rows, manifest, embedded), target / AUDIT_PAGE)
    write_atomically(target / AUDIT_FILE, record.to_json())
    return record


def _target(out: str | Path | None, folder: str | Path) -> Path:
    if out is None:
        return unused_run_name(AUDITS_FOLDER, Path(folder).resolve().name)
    target = Path(out).expanduser()
    refuse_unwritable("out", target / AUDIT_FILE, AUDIT_FILE)
    if target.exists():
        raise UsageError(
            f"{setting('out', target)} already exists, and audits are never overwritten. Give another name."
        )
    return target


def _refuse_wrong(write: str | Path | None, confidence: float | None, corrected: str | Path | None) -> None:
    if corrected is not None and not Path(corrected).expanduser().is_file():
        raise UsageError(
            f"{setting('corrected', corrected)}: there is no such file. Give the table that the page of an audit, or "
            f"{setting('write')}, made."
        )
    if confidence is not None and not 0 <= confidence < 1:
        raise UsageError(f"{setting('confidence', f'{confidence:.3%}')}: give a rate from 0% to below 100%.")
    if confidence is not None and write is None:
        raise UsageError(
            f"{setting('confidence', f'{confidence:.3%}')} needs a table to be written: {setting('write')}."
        )
    if write is not None:
        refuse_unwritable("write", write, "corrected.csv")
        if Path(write).expanduser().exists():
            raise UsageError(
                f"{setting('write', write)} already exists, and tables of labels are never overwritten. Give another "
                "name."
            )


def _refuse_other_than_classes(manifest: Manifest) -> None:
    if not manifest.kind.exclusive:
        raise UsageError(
            f"{manifest.table} holds {manifest.kind.holds}; wrong labels are found where each image has one class. "
            f"Choose a column of classes with {setting('label_columns')}; or, if this one holds classes, set "
            f"{setting('task', 'classification')}."
        )


def _facts(manifest: Manifest, embedded: Embedded) -> dict[str, FileFacts]:
    """Of all files that gave an image."""
    usable = {image.sha256 for image in embedded.images}
    images = [image for image in manifest.images if image.sha256 in usable]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        facts = pool.map(lambda image: file_facts(image.path), images)
        return {image.file: one for image, one in zip(images, facts, strict=True)}


def _prediction_column(predictions: str | Path) -> str:
    """The column of a table that says the predicted class."""
    columns = read_table(Path(predictions).expanduser()).columns
    found = next((one for one in columns if one.lower().replace(" ", "_") in _PREDICTED), None)
    if found is None:
        raise UsageError(
            f"{setting('predictions', predictions)} has the columns {', '.join(columns)}; none of them is called "
            f"{', '.join(_PREDICTED)}. Rename the one with the predicted classes."
        )
    return found


def _labels_of(table: str | Path | None, folder: str | Path, column: str = "") -> dict[str, str] | None:
    """The classes in a column of a table, by file; by default in the one that has labels."""
    if table is None:
        return None
    columns = (column,) if column else ()
    layout = Layout(labels=table, label_columns=columns, task="classification", predefined_split=False)
    read = layout.table(folder_of(folder))
    assert read is not None, "it is named"
    return {file: text_of(labels) for file, labels in read.labels.items() if file not in read.conflicts}


def _group_column(layout: Layout, folder: str | Path) -> str:
    """The column of the table of labels that says the groups; "" where none does."""
    table = layout.table(folder_of(folder)) if layout.group_by else None
    return layout.group_by if table and layout.group_by in next(iter(table.rows.values())) else ""


def _write(path: Path, labels: LabelAudit, rows: LabelRows, confidence: float) -> Written:
    taken = [one for one in labels.suspects if one.suggested_probability >= confidence]
    changes = {file: one.suggested for one in taken for file in (one.file, *one.copies)}
    write_atomically(path, rows.with_labels(changes).to_csv())
    return Written(table=str(path), confidence=confidence, taken=len(taken), suspects=len(labels.suspects))


def _reviewed(record: AuditRecord, rows: LabelRows, manifest: Manifest, embedded: Embedded) -> Reviewed:
    items = items_of(record)
    side = _SHOWN_SIDE if len(items) <= _MANY else _SHOWN_SIDE_OF_MANY
    first, beside = {item.files[0] for item in items}, neighbors_of(items)
    images = [one for one in manifest.images if one.file in first]
    neighbors = [one for one in embedded.images if one.file in beside]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        shown = dict(zip((one.file for one in images), pool.map(lambda one: _shown(one, side), images), strict=True))
        small = pool.map(lambda one: thumbnail_from(embedded.facts.thumbnail(one.sha256), _NEIGHBOR_SIDE), neighbors)
        return Reviewed(
            items=items,
            columns=rows.columns,
            rows=rows.rows,
            hashes={one.file: one.sha256 for one in manifest.images},
            images={file: jpeg for file, jpeg in shown.items() if jpeg},
            neighbors=dict(zip((one.file for one in neighbors), small, strict=True)),
        )


def _shown(image: ImageFile, side: int) -> bytes:
    try:
        return thumbnail_from(image.path.read_bytes(), side)
    except (BadImage, OSError):  # it could be read a moment ago
        return b""
