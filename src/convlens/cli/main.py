"""`convlens`: the commands, and how an error reaches a person."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from convlens import __version__
from convlens.cli import (
    audit,
    cache,
    check,
    collect,
    compare,
    demo,
    doctor,
    embed,
    evaluate,
    explain,
    export,
    extend,
    image_map,
    inspect,
    predict,
    runs,
    serve,
    similar,
    study,
    suggest,
    train,
    zoo,
)
from convlens.cli.groups import GroupedCommand
from convlens.cli.recipe_options import RecipeCommand
from convlens.cli.screen import printable
from convlens.cli.stopping import Stopped, stopped_by_signals
from convlens.cli.streams import CLOSED_PIPE, echo, make_streams_ready, reader_is_gone, tell
from convlens.cli.wrong_words import usage_error
from convlens.core.errors import ConvlensError, MachineError, UsageError
from convlens.core.files import disk_error
from convlens.core.settings import as_flags

_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "_STATUS_ALLOC_FAILED")
"""Of torch's allocators for the processor and for a GPU, and of the libraries cuDNN and cuBLAS."""

app = typer.Typer(
    name="convlens",
    help="Train image classifiers on your own images by transfer learning, and see inside them.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("check", cls=check.CheckCommand)(check.check)
app.command("audit", cls=audit.AuditCommand)(audit.audit)
app.command("collect", cls=GroupedCommand)(collect.collect)
app.command("demo", cls=GroupedCommand)(demo.demo)
app.command("train", cls=RecipeCommand, epilog=train.EXAMPLES)(train.train)
app.command("compare", cls=compare.CompareCommand)(compare.compare)
app.command("predict", cls=GroupedCommand)(predict.predict)
app.command("evaluate", cls=evaluate.EvaluateCommand)(evaluate.evaluate)
app.command("suggest", cls=GroupedCommand)(suggest.suggest)
app.command("extend", cls=extend.ExtendCommand)(extend.extend)
app.command("explain", cls=GroupedCommand)(explain.explain)
app.command("embed", cls=GroupedCommand)(embed.embed)
app.command("similar", cls=GroupedCommand)(similar.similar)
app.command("map", cls=GroupedCommand)(image_map.map_command)
app.command("runs", cls=GroupedCommand)(runs.runs)
app.command("export", cls=GroupedCommand)(export.export)
app.command("verify", cls=GroupedCommand)(export.verify)
app.command("serve", cls=GroupedCommand)(serve.serve)
app.command("inspect", cls=GroupedCommand)(inspect.inspect)
app.command("doctor", cls=GroupedCommand)(doctor.doctor)
app.command("cache", cls=GroupedCommand)(cache.cache)
app.add_typer(zoo.app, name="zoo")
app.add_typer(study.app, name="study")


def _version(value: bool) -> None:
    if value:
        echo(f"convlens {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Train image classifiers on your own images by transfer learning, and see inside them."""
    if context.invoked_subcommand is None:
        tell(context.get_help())
        raise typer.Exit(UsageError.exit_code)


def main() -> NoReturn:
    """Run the command line; errors become one sentence and an exit code (see core.errors)."""
    # Torch's threads spin while they wait for each other; beside another busy process that costs twentyfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    make_streams_ready()
    debug = "--debug" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--debug"]
    try:
        with stopped_by_signals():
            sys.exit(app(standalone_mode=False))
    except SystemExit as ended:
        sys.exit(CLOSED_PIPE if reader_is_gone(ended) else ended.code)
    except Stopped as stopped:
        _fail(str(stopped), stopped.exit_code)
    except Exception as error:
        if debug:
            raise
        told = _told(error)
        _fail(as_flags(told.marked), told.exit_code)


def _told(error: Exception) -> ConvlensError:
    """The error as a person should read it, whoever raised it."""
    if isinstance(error, ConvlensError):
        return error
    if isinstance(error, TyperException):
        return usage_error(error)
    if isinstance(error, OSError) and (known := disk_error(error, Path(error.filename or "standard output"))):
        return known
    if _is_of_memory(error):
        return MachineError(
            "not enough memory. Close other programs, or use a smaller --batch-size, --size or --backbone."
        )
    return ConvlensError(
        f"internal error, {type(error).__name__}: {error}. This is a bug in convlens; run the same command with "
        "--debug and report the traceback."
    )


def _is_of_memory(error: Exception) -> bool:
    """Whether memory ran out: Python's, or torch's of the processor or of a GPU, which are RuntimeErrors."""
    told = isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)
    return told or isinstance(error, MemoryError)


def _fail(message: str, code: int) -> NoReturn:
    tell(f"convlens: {printable(message)}")
    sys.exit(code)
