"""`convlens explain NET|RUN [IMAGE]`."""

from pathlib import Path
from typing import Annotated

import typer

from convlens.cli.screen import JsonOption, QuietOption, Screen
from convlens.cli.streams import echo
from convlens.core.files import refuse_unwritable


def explain(
    network: Annotated[str, typer.Argument(metavar="NET|RUN", help="Name of a network, or a run folder.")],
    image: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE]", help="Image to explain. Default: a synthetic one.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Class, label or number to explain. Default: the most likely class.",
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="SET|FILE", help="Published weights (imagenet, cifar10) or a file.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(metavar="PIXELS", help="Side of the input in pixels. Default: the network's own.")
    ] = None,
    versus: Annotated[
        str | None, typer.Option(metavar="NET", help="Another network, whose gradient flow is plotted for comparison.")
    ] = None,
    mistakes: Annotated[
        int, typer.Option(min=0, help="For a run: explain its N worst mistakes, on pages linked from its report.")
    ] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Page to write. Default: NET.html.")] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Explain a network on one page: graph, gradients, Grad-CAM.

    The page shows the activations and gradients of every layer, and what in the image the prediction depends on.
    """
    screen = Screen(json=json, quiet=quiet)
    with screen.starting():
        from convlens.tasks.explain import explain as task
        from convlens.tasks.explain import explain_mistakes
    if mistakes:
        for made in explain_mistakes(network, mistakes, screen.progress):
            echo(f"Page {made}")
        return
    place = out or Path(f"{Path(network).name}.html")
    refuse_unwritable("out", place, "explanation.html")
    page = task(
        network,
        image,
        target=target,
        weights=weights,
        size=size,
        versus=versus,
        progress=screen.progress,
        say=screen.say,
    )
    explanation = page.explanation
    path = page.save(place)

    def told() -> None:
        echo(f"{explanation.network}: {len(explanation.nodes)} nodes, gradients of {explanation.target}")
        echo(
            f"Gradients against autograd: largest relative difference {explanation.check.largest_difference:.1e} over "
            f"{explanation.check.compared} parameters"
        )
        for guess in explanation.guesses[:3]:
            value = f"{guess.number:.6g}" if guess.probability is None else f"{guess.probability:6.1%}"
            echo(f"  {value}  {guess.name}")
        for note in explanation.notes:
            echo(note)
        echo(f"Page {path} ({path.stat().st_size / 1e6:.1f} MB)")

    screen.show(explanation, told)
