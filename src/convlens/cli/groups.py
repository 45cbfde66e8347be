"""Help as people expect it: options in groups, arguments and values by what they stand for, not by Python's types."""

from pathlib import Path
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperOption

_REST = "Options"
_METAVARS = {int: "N", float: "X", str: "TEXT", Path: "PATH"}


class GroupedCommand(TyperCommand):
    """A command whose help lists its options group by group, in the order in which the groups first appear."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line: an argument is called what its help calls it."""
        arguments = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, TyperArgument)]
        return [self.options_metavar or "", *(_in_usage(argument) for argument in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of the help."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, TyperArgument):
                sections["Arguments"].append((str(parameter.metavar), parameter.help or ""))
                continue
            group = getattr(parameter, "rich_help_panel", None) or _REST
            if isinstance(parameter, TyperOption) and not parameter.metavar:
                parameter.metavar = _METAVARS.get(parameter.type_descriptor.annotation)
            if (line := parameter.get_help_record(ctx)) is not None:
                sections.setdefault(group, []).append(line)
        last = sections.pop(_REST, [])
        for heading, lines in {**sections, _REST: last}.items():
            if lines:
                with formatter.section(heading):
                    formatter.write_dl(lines)


def _in_usage(argument: TyperArgument) -> str:
    name = str(argument.metavar)
    return name if argument.required or name.startswith("[") else f"[{name}]"
