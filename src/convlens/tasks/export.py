"""Export: a trained network as one file for other programs, with the proof that it answers as the run does."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from convlens.core.bundle import Bundle
from convlens.core.errors import DataError, UsageError, unknown_name
from convlens.core.exported import ExportFormat, ExportRecord, Quantization, ValidationParity
from convlens.core.files import bytes_of, path_beside
from convlens.core.progress import Advance, Progress, Say, silent, unsaid
from convlens.core.settings import setting
from convlens.exports.card import card_of, reference_of
from convlens.exports.file import Format, QuantizableFormat, Runner, traced
from convlens.exports.formats import format_named
from convlens.exports.model import BareModel, PValues, WholeModel
from convlens.exports.proof import Reference, on_golden_images, on_validation_images, refuse_unlike
from convlens.exports.quantization import cost_of
from convlens.exports.quantization import quantize as quantize_file
from convlens.pipeline.judgment import judge_of
from convlens.pipeline.trained import is_run, load_trained
from convlens.report.run_folder import read_run
from convlens.runs.validation_images import (
    ValidationImage,
    hashes_of_side,
    unchanged_images,
    validated_hashes,
    validation_answers,
    validation_truths,
)
from convlens.training.tasks import TASKS, task_of
from convlens.zoo import card as card_of_network
from convlens.zoo import card_of_file, weight_cards

_CALIBRATION_IMAGES = 128


def export(
    run: str | Path,
    *,
    to: str = "onnx",
    out: str | Path | None = None,
    bare: bool = False,
    weights: str | Path | None = None,
    runtime: str | Path | None = None,
    quantize: str | None = None,
    compiled: bool = False,
    progress: Progress = silent,
    say: Say = unsaid,
) -> ExportRecord:
    """Write a run folder, or a network by name, as one file that needs no convlens.

    `to` is "onnx" (for onnxruntime and all that read ONNX), "pt2" (for torch.export.load), "openvino" (a folder with
    its intermediate representation) or "browser" (a folder with a page that any static server shows, and that computes
    in the browser). The file takes decoded pixels of any size, (N, H, W, 3), uint8, RGB, and gives what `predict`
    gives: resizing exactly as Pillow does it, normalization, network, calibration and softmax, sigmoid or units are all
    in it. Where the run can judge its answers, a second output holds the p-value of each image, by which foreign ones
    are rejected. With `bare` it takes what `preprocessing` makes of an image, (N, 3, size, size), float32, and gives
    the same answers. `out` is the file, by default the run's name in the working folder; `weights` are others than a
    network's usual ones. For a browser, `runtime` is a folder or archive with the npm package onnxruntime-web, which
    npm fetches without it.

    With `compiled`, a "pt2" file holds machine code, which AOTInductor makes in a minute by the C++ compiler of this
    machine, for torch and for C++ programs on a processor with its instructions; `verify` refuses another one.

    With `quantize` "int8" the model computes in 8 bits, with ranges that up to 128 of the run's training images set: a
    quarter of the size, and the loss of accuracy on the validation images is in the record.

    Before the file gets its name it is opened in its runtime and compared with the run: on golden images, which travel
    in it (see `verify`), and on the run's validation images where they still are where they were.

    Raises UsageError for an unknown format, for an `out` that exists, and what `predict` does; MachineError where a
    library or the compiler is missing; IntegrityError, with no file left, where an answer differs from the run's by
    more than 1e-4.
    """
    place = None if runtime is None else Path(runtime).expanduser()
    kind, form = format_named(to, runtime=place, compiled=compiled)
    if quantize is not None:
        _refuse_unfit_quantization(quantize, kind, form, run)
    if bare and not form.can_be_bare:
        raise UsageError(f"{setting('bare', True)} is not for {setting('to', kind)}, whose page brings whole images.")
    file = Path(out).expanduser() if out is not None else Path(f"{_name_of(run)}{form.suffix or f'-{kind}'}")
    if form.suffix and file.suffix != form.suffix:
        raise UsageError(f"{setting('out', file)}: give a name that ends in {form.suffix}, as {kind} files do.")
    if file.exists():
        raise UsageError(f"{file} already exists. Remove it, or choose another name with {setting('out')}.")
    bundle, network = load_trained(run, weights, progress)
    judge = judge_of(run, bundle)
    head = card_of_network(bundle.backbone).head
    model = BareModel(network.eval().float(), task_of(bundle), head, PValues(judge) if judge else None)
    card = card_of(model, bundle, whole=not bare, weights_license=_license(run, bundle, weights))
    module = model if bare else WholeModel(model, bundle.preprocessing)
    with path_beside(file, form.suffix) as unproved:
        with progress("export", 1) as advance:
            form.write(traced(module, whole=card.whole, size=bundle.preprocessing.size), card, unproved)
            advance(1)
        runner = form.open(unproved)
        golden = on_golden_images(runner)
        refuse_unlike(golden, "golden images", runner.runtime)
        reference = reference_of(model, bundle)
        validation = _validation(runner, reference, Path(run).expanduser(), progress, say) if is_run(run) else None
        quantization = None
        if quantize is not None:
            assert isinstance(form, QuantizableFormat)
            quantization = _quantized(form, unproved, runner, Path(run).expanduser(), progress)
        return ExportRecord(
            file=str(file),
            format=kind,
            whole=card.whole,
            bytes=bytes_of(unproved),
            runtime=runner.runtime,
            golden=golden,
            validation=validation,
            quantization=quantization,
        )


def _refuse_unfit_quantization(quantize: str, kind: ExportFormat, form: Format, run: str | Path) -> None:
    if quantize != "int8":
        raise unknown_name("number format to quantize to", quantize, ["int8"])
    if not isinstance(form, QuantizableFormat):
        raise UsageError(
            f"{setting('quantize', quantize)} is for ONNX and for browsers, not for {setting('to', kind)}."
        )
    if not is_run(run):
        raise UsageError(
            f"{setting('quantize', quantize)} needs images to set ranges by, and {run} is not a run folder, whose "
            "training images would. Train a run, or leave it out."
        )


def _quantized(form: QuantizableFormat, path: Path, float32: Runner, folder: Path, progress: Progress) -> Quantization:
    """Turn what was written at `path` into 8 bits; what that costs."""
    record, file = read_run(folder), form.onnx_of(path)
    before = file.stat().st_size
    hashes = hashes_of_side(folder, "train")
    chosen = dict(list(hashes.items())[:: max(1, -(-len(hashes) // _CALIBRATION_IMAGES))])
    images = list(unchanged_images(Path(record.folder), chosen, {file: [] for file in chosen}))
    if not images:
        raise DataError(
            f"none of the run's training images is in {record.folder} as it was, and {setting('quantize', 'int8')} "
            "needs some to set ranges by. Put them back, or leave it out."
        )
    with progress("quantize", len(images)) as advance:
        quantize_file(form, path, float32.card, (image.data for image in _counted(images, advance)))
    answers = validation_answers(folder, record.classes)
    truths = validation_truths(folder, TASKS[record.task].kind, record.classes)
    validated = unchanged_images(Path(record.folder), validated_hashes(folder), answers)
    with progress("verify", len(answers)) as advance:
        cost = cost_of(float32, form.open(path), validated, truths, advance)
    return Quantization(calibration_images=len(images), float32_bytes=before, bytes=file.stat().st_size, cost=cost)


def _counted(images: Sequence[ValidationImage], advance: Advance) -> Iterator[ValidationImage]:
    for image in images:
        yield image
        advance(1)


def _license(run: str | Path, bundle: Bundle, weights: str | Path | None) -> str | None:
    """Of the weights that were trained on, where a published set says it."""
    if is_run(run):
        used = read_run(Path(run).expanduser()).weights
        known = card_of_file(used.name) if used.source == "published" else None
        return known.license if known else used.license
    published = weight_cards(bundle.backbone)
    chosen = published.get(str(weights)) if weights is not None else next(iter(published.values()), None)
    return chosen.license if chosen else None


def _name_of(run: str | Path) -> str:
    return Path(run).expanduser().resolve().name if is_run(run) else str(run)


def _validation(
    runner: Runner, reference: Reference, folder: Path, progress: Progress, say: Say
) -> ValidationParity | None:
    """The proof on the run's validation images; None where none of them is left."""
    record = read_run(folder)
    answers = validation_answers(folder, record.classes)
    images = unchanged_images(Path(record.folder), validated_hashes(folder), answers)
    with progress("verify", len(answers)) as advance:
        found = on_validation_images(runner, reference, images, advance)
    if missing := len(answers) - (found.float32.images if found else 0):
        say(
            f"{missing} of {len(answers)} validation images of the run are not in {record.folder} as they "
            f"were; the file is verified on {'the others and on ' if found else ''}golden images"
        )
    if found:
        refuse_unlike(found.float32, "validation images", runner.runtime)
    return found
