"""Options of the command line that are fields of the recipe, made from what the fields say of themselves."""

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer.core import TyperArgument
from typer.main import get_command

from convlens.cli.groups import GroupedCommand

if TYPE_CHECKING:
    from convlens.training.setting import Setting

_GIVEN = "convlens.recipe"
_MENTION = re.compile(r"`(\w+)(?:=(\w+))?`")


class RecipeCommand(GroupedCommand):
    """A command with settings of a recipe as options, behind --recipe where it has that option.

    They are made when its parameters are first asked for: `convlens --help` loads neither pydantic nor the recipe.
    """

    names: Sequence[str] = ()
    """The settings; none for all."""

    def shown_settings(self) -> "list[ShownSetting]":
        """The settings that are options of this command, as its help shows them."""
        from convlens.training.recipe import SETTINGS

        chosen = [SETTINGS[name] for name in self.names or SETTINGS]
        return [ShownSetting(one, one.panel, one.initial) for one in chosen]

    @functools.cached_property
    def options_of_recipe(self) -> list[Any]:
        """The options, hidden ones for former names included."""
        return _made_from(self.shown_settings())

    def get_params(self, ctx: Any) -> list[Any]:
        """All parameters of the command."""
        if self.options_of_recipe[0] not in self.params:
            before = [one.name == "recipe" or isinstance(one, TyperArgument) for one in self.params]
            place = len(before) - before[::-1].index(True)
            self.params = [*self.params[:place], *self.options_of_recipe, *self.params[place:]]
        return super().get_params(ctx)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, which finds what was given by `given_settings`."""
        values = {option.name: ctx.params.pop(option.name) for option in self.options_of_recipe}
        ctx.meta[_GIVEN] = {name: value for name, value in values.items() if is_given(ctx, name)}
        return super().invoke(ctx)


class ShownSetting(NamedTuple):
    """A setting in the help of a command."""

    setting: "Setting"
    panel: str
    default: Any


def given_settings(context: typer.Context) -> dict[str, Any]:
    """Settings that were given on the command line, by the field's name. Raises UsageError for one given twice."""
    from convlens.training.recipe import with_present_names

    return with_present_names(context.meta[_GIVEN])


def is_given(context: typer.Context, name: str) -> bool:
    """Whether a person gave this option, rather than its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def in_flags(help_text: str) -> str:
    """The help of a field as the command line words it: `freeze=none` becomes --freeze none."""
    from convlens.training.recipe import SETTINGS
    from convlens.training.setting import flag

    def worded(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name not in SETTINGS:
            return found[0]
        return f"{flag(name)} {value}" if value else flag(name)

    return _MENTION.sub(worded, help_text)


def _made_from(settings: list[ShownSetting]) -> list[Any]:
    """The options, as typer makes them from a function's signature; former names are hidden."""
    from convlens.training.recipe import FORMER_NAMES

    chosen = {shown.setting.name: shown for shown in settings}
    parameters = [_parameter(name, shown) for name, shown in chosen.items()]
    parameters += [_parameter(old, chosen[new], hidden=True) for old, new in FORMER_NAMES.items() if new in chosen]
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(_with_signature(parameters))
    return list(get_command(app).params)


def _parameter(name: str, shown: ShownSetting, *, hidden: bool = False) -> inspect.Parameter:
    setting, panel, default = shown
    option = typer.Option(
        default,
        help=in_flags(setting.help),
        metavar=setting.metavar or None,
        rich_help_panel=panel,
        hidden=hidden,
        show_default=default not in (None, ""),
    )
    kind = setting.type if default is not None else setting.type | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)


def _with_signature(parameters: list[inspect.Parameter]) -> Callable[..., None]:
    def command(**values: object) -> None:
        """Never run: it is read for its parameters."""

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command
