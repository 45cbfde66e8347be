"""`convlens serve RUN|NET|FILE`."""

from typing import TYPE_CHECKING, Annotated

import typer

from convlens.cli.rate import rate_of
from convlens.cli.screen import JsonOption, PublishedWeightsOption, QuietOption, Screen
from convlens.cli.streams import echo

if TYPE_CHECKING:
    from convlens.core.served import Serving


def serve(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN|NET|FILE", help="Run folder, network by name, or a file that `convlens export` wrote."
        ),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on. The default is reached from this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    batch_size: Annotated[int, typer.Option(help="Images that are computed together, at most.")] = 16,
    queue: Annotated[
        int, typer.Option(help="Images that may wait; beyond that, requests are answered with 503.")
    ] = 256,
    weights: PublishedWeightsOption = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Open a .pt2 file, which can run code: only for files you trust.")
    ] = False,
    runtime: Annotated[
        str,
        typer.Option(
            metavar="auto|onnxruntime|torch",
            help="What computes a run or a network. auto: onnxruntime where it is installed, which is several times as "
            "fast on a processor.",
        ),
    ] = "auto",
    reject: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Say 'none of these' of images that are as unlike the training images as this part of them is. "
            "Default: 5%.",
        ),
    ] = None,
    training_images: Annotated[
        bool | None,
        typer.Option(
            help="Name the most similar training images in answers. Default: only on addresses of this machine."
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Serve a model over HTTP, with a page to drop images on.

    POST /predict takes the bytes of an image file and answers JSON; /openapi.json describes all routes. Set the
    environment variable CONVLENS_TOKEN to require a token.
    """
    from convlens.tasks.serve import serve as task

    screen = Screen(json=json, quiet=quiet)
    task(
        model,
        host=host,
        port=port,
        batch_size=batch_size,
        queue=queue,
        weights=weights,
        trust=trust,
        runtime=runtime,
        reject=None if reject is None else rate_of("--reject", reject),
        training_images=training_images,
        started=lambda serving: screen.show(serving, lambda: _print(serving)),
        say=screen.say,
    )


def _print(serving: "Serving") -> None:
    model = serving.model
    echo(f"{model.network} is served on {serving.address} by {model.runtime}; Ctrl-C stops it")
