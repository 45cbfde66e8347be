"""`convlens`: the commands, and how an error reaches a person."""

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from convlens import __version__
from convlens.cli import demo, predict, train
from convlens.core.errors import ConvlensError

app = typer.Typer(
    name="convlens",
    help="Train image classifiers on your own pictures by transfer learning, and see inside them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("train")(train.train)
app.command("predict")(predict.predict)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"convlens {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Train image classifiers on your own pictures by transfer learning, and see inside them."""


def main() -> NoReturn:
    """Run the command line; errors become one sentence and an exit code (see core.errors)."""
    signal.signal(signal.SIGTERM, _terminated)
    debug = "--debug" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--debug"]
    try:
        app()
    except ConvlensError as error:
        if debug:
            raise
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted; what was finished is kept, the same command goes on from there.", 130)
    except Exception as error:
        if debug:
            raise
        _fail(
            f"internal error, {type(error).__name__}: {error}. This is a fault of convlens; run the same command with "
            "--debug to see where, and report it.",
            1,
        )
    sys.exit(0)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    _fail("terminated; what was finished is kept, the same command goes on from there.", 128 + number)


def _fail(message: str, code: int) -> NoReturn:
    print(f"convlens: {message}", file=sys.stderr)
    sys.exit(code)
