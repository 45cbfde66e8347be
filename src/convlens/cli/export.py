"""`convlens export RUN|NET` and `convlens verify FILE`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.screen import JsonOption, PublishedWeightsOption, QuietOption, Screen
from convlens.cli.streams import echo
from convlens.core.errors import IntegrityError

if TYPE_CHECKING:
    from convlens.core.exported import ExportRecord, Parity, Quantization, Verification

_MOST_FLIPS = 10


def export(
    run: Annotated[str, typer.Argument(metavar="RUN|NET", help="Run folder, or a network by name.")],
    to: Annotated[
        str,
        typer.Option(
            metavar="onnx|pt2|openvino|browser",
            help="Format: onnx (for onnxruntime and others), pt2 (for torch.export.load), openvino (a folder), or "
            "browser (a folder with a page that any static server shows).",
        ),
    ] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="File to write, or folder for openvino and browser. Default: the run's name, in the working folder.",
        ),
    ] = None,
    bare: Annotated[
        bool,
        typer.Option(
            "--bare", help="Without resizing and normalization: takes (N, 3, size, size) instead of decoded pixels."
        ),
    ] = False,
    weights: PublishedWeightsOption = None,
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|TGZ", help="For browser: the npm package onnxruntime-web, which npm fetches without this."
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            metavar="int8",
            help="For onnx and browser: compute in 8 bits, with ranges set by the run's training images, for a quarter "
            "of the size; prints what it costs.",
        ),
    ] = None,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compiled",
            help="For pt2: compile it to machine code, for processors with this one's instructions; takes a C++ "
            "compiler and a minute.",
        ),
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Export a model as a file, verified against its run.

    The file takes decoded pixels, 8-bit RGB of shape (N, height, width, 3), of any size, and gives probabilities or
    numbers. It is kept only if it answers as the run does: on made images, which travel in it for `convlens verify`,
    and on the run's validation images.
    """
    from convlens.tasks.export import export as task

    screen = Screen(json=json, quiet=quiet)
    record = task(
        run,
        to=to,
        out=out,
        bare=bare,
        weights=weights,
        runtime=runtime,
        quantize=quantize,
        compiled=compiled,
        progress=screen.progress,
        say=screen.say,
    )
    screen.show(record, lambda: _print_export(record))


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="What `convlens export` wrote.")],
    trust: Annotated[
        bool, typer.Option("--trust", help="Open a .pt2 file, which can run code: only for files you trust.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check an exported file against the answers of its run.

    Runs the golden images of the file in its runtime; exit code 6 where an answer differs by more than 0.0001.
    """
    from convlens.tasks.verify import verify as task

    record = task(file, trust=trust)
    Screen(json=json, quiet=False).show(record, lambda: _print_verification(record))
    if not record.golden.proved:
        raise IntegrityError(
            f"{file} does not answer as its run does: by up to {record.golden.largest_difference:.2g}. Do not use it; "
            "export the run again."
        )


def _print_export(record: "ExportRecord") -> None:
    takes = "decoded pixels of any size" if record.whole else "preprocessed images"
    echo(f"{record.file}  {record.bytes / 1e6:.1f} MB, {record.format}, from {takes} to answers")
    echo(f"  proved by {record.runtime}")
    if record.format == "browser":
        echo(f"  to look at it: python -m http.server --bind 127.0.0.1 --directory {shlex.quote(record.file)}")
    _print_parity("golden images", record.golden)
    if record.validation:
        _print_parity("validation images, in float32", record.validation.float32)
        _print_parity("validation images, as the run predicted them", record.validation.as_trained)
        if record.validation.whole_decode:
            _print_parity("large JPEGs decoded whole, not reduced", record.validation.whole_decode)
    if record.quantization:
        _print_quantization(record.quantization)


def _print_quantization(found: "Quantization") -> None:
    from convlens.core.kinds.registry import KINDS

    sizes = f"{found.bytes / 1e6:.1f} MB instead of {found.float32_bytes / 1e6:.1f}"
    echo(f"  in 8 bits, by {found.calibration_images} training images: {sizes}")
    if cost := found.cost:
        measure = KINDS[cost.task].measure
        low, high = map(measure.difference_text, cost.interval)
        scores = f"{measure.text(cost.score)} instead of {measure.text(cost.float32_score)}"
        echo(f"    {measure.name}: {scores}, on {cost.images} validation images, {cost.alike} predicted alike")
        echo(f"    difference {measure.difference_text(cost.difference)} {measure.difference_unit} ({low} to {high})")
        echo(f"    {cost.milliseconds:.1f} ms an image instead of {cost.float32_milliseconds:.1f}, decoding left out")


def _print_verification(record: "Verification") -> None:
    echo(f"{record.file}  {record.network}, by {record.runtime}")
    _print_parity("golden images", record.golden)


def _print_parity(images: str, found: "Parity") -> None:
    flips = f"{len(found.flips)} predicted otherwise" if found.flips else "all predicted alike"
    unlike = f", of p-values {found.largest_p_difference:.2g}" if found.largest_p_difference else ""
    echo(f"  {found.images} {images}: largest difference {found.largest_difference:.2g}{unlike}, {flips}")
    for flip in found.flips[:_MOST_FLIPS]:
        echo(f"    {flip.file}: {flip.got} instead of {flip.expected}")
    if len(found.flips) > _MOST_FLIPS:
        echo(f"    and {len(found.flips) - _MOST_FLIPS} more")
