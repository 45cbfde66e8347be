"""Writes docs/cli.md and docs/options.md from the program: `make reference`. A test compares them with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from convlens.cli.main import app
from convlens.training.recipe import FORMER_NAMES, SETTINGS
from convlens.training.setting import Setting

DOCS = Path(__file__).parent
COLUMNS = 80


def cli() -> str:
    """The help of every command, as it is shown in 80 columns."""
    sections = [
        f"## {path}\n\n```\n{help_text}\n```\n" for path, help_text in helps(get_command(app), "convlens", parent=None)
    ]
    return "\n".join(["# Command line\n\nMade by `make reference` from the program.\n", *sections])


def helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    """The path and the help of a command, and of those below it."""
    widths = {"terminal_width": COLUMNS, "max_content_width": COLUMNS}
    context = command.make_context(name, [], parent=parent, resilient_parsing=True, **widths)
    yield context.command_path, command.get_help(context)
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from helps(below, name, context)


def options() -> str:
    """The settings of a recipe as a table for each panel."""
    former = {name: old for old, name in FORMER_NAMES.items()}
    lines = [
        "# Options of a recipe",
        "",
        "Made by `make reference` from `convlens.Recipe`. The same settings are options of `convlens train` "
        "(`--batch-size 64`), keywords of `convlens.train` and `convlens.compare` (`batch_size=64`) and lines of a "
        "`recipe.toml` (`batch_size = 64`); those in bold are also options of `convlens compare`, which takes the "
        "others as `--set batch_size=64`.",
        "",
        "The last column lists what a setting affects: the stored *features*, the *split*, the *examples* of each "
        "step, or only the *head* that is trained on them. Runs that agree in these "
        "settings share the stored features.",
    ]
    for panel in dict.fromkeys(one.panel for one in SETTINGS.values()):
        lines += [
            "",
            f"## {panel}",
            "",
            "| setting | default | accepted | meaning | affects |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(one, former.get(one.name)) for one in SETTINGS.values() if one.panel == panel]
    return "\n".join(lines) + "\n"


def _row(setting: Setting, former: str | None) -> str:
    name = f"**`{setting.name}`**" if setting.common else f"`{setting.name}`"
    default = "derived" if setting.initial is None else f"`{setting.initial}`" if setting.initial != "" else ""
    meaning = setting.help + (f" Formerly `{former}`." if former else "")
    cells = [name, default, setting.accepts, meaning, ", ".join(sorted(setting.affects))]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


PAGES = {"cli.md": cli, "options.md": options}

if __name__ == "__main__":
    for file, text in PAGES.items():
        (DOCS / file).write_text(text(), encoding="utf-8")
