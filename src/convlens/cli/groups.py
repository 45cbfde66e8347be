"""Help in groups: options under the heading that their `rich_help_panel` names, in plain text."""

from typing import Any

from typer.core import TyperCommand

_REST = "Options"


class GroupedCommand(TyperCommand):
    """A command whose help lists its options group by group, in the order in which the groups first appear."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of the help."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for parameter in self.get_params(ctx):
            group = getattr(parameter, "rich_help_panel", None) or _REST
            heading = "Arguments" if parameter.param_type_name == "argument" else group
            if (line := parameter.get_help_record(ctx)) is not None:
                sections.setdefault(heading, []).append(line)
        last = sections.pop(_REST, [])
        for heading, lines in {**sections, _REST: last}.items():
            if lines:
                with formatter.section(heading):
                    formatter.write_dl(lines)
