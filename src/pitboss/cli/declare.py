"""Declares commands without loading click, which takes longer than most of them: it parses what is not plain (SPEC 8).

A command line is plain when it holds flags alone: `pitboss status`, `pitboss runs --json`, `pitboss grind --dry-run`.
Then the command is called as click would call it. For values, help and completion click gets the same declarations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import click

    Function = Callable[..., int | None]
    Kind = Callable[[], click.ParamType[Any]]


class Parameter:
    """An option or an argument: what click is told of it. Its `type` is a function, called when click needs it."""

    def __init__(self, kind: str, names: tuple[str, ...], settings: Mapping[str, Any]) -> None:
        self.names = names
        self.is_flag = bool(settings.get("is_flag"))
        self.is_required = settings.get("required", kind == "argument")
        self._kind = kind
        self._settings = settings

    def __call__(self, function: Function) -> Function:
        """Note it at `function`, as a decorator; `Command` collects what is noted there."""
        declared = getattr(function, "parameters", ())
        function.parameters = (self, *declared)  # type: ignore[attr-defined]
        return function

    @property
    def name(self) -> str:
        """What the function calls it."""
        given = [name for name in self.names if not name.startswith("-")]
        return (given or [max(self.names, key=len).lstrip("-").replace("-", "_")])[0]

    @property
    def default(self) -> object:
        """What the function gets when it is not on the command line."""
        return False if self.is_flag else () if self._settings.get("multiple") else None

    def add_to(self, function: Function) -> Function:
        """Declare it to click."""
        import click

        settings = dict(self._settings)
        if "type" in settings:
            settings["type"] = settings["type"]()
        return getattr(click, self._kind)(*self.names, **settings)(function)  # type: ignore[no-any-return]


class Command:
    """A command: the function that it runs, and the parameters that are noted there."""

    def __init__(self, name: str, function: Function, *, asks_click: bool) -> None:
        self.name = name
        self._function = function
        self._parameters: tuple[Parameter, ...] = getattr(function, "parameters", ())
        self._asks_click = asks_click or any(parameter.is_required for parameter in self._parameters)

    def plain_call(self, words: Sequence[str]) -> Callable[[], int | None] | None:
        """What the command does when `words` follow its name; None where it takes click to understand them."""
        flags = {name: p.name for p in self._parameters if p.is_flag for name in p.names if name[0] == "-"}
        if self._asks_click or not flags.keys() >= set(words):
            return None
        chosen = {p.name: p.default for p in self._parameters} | {flags[word]: True for word in words}
        return lambda: self._function(**chosen)

    def as_click(self) -> click.Command:
        """The same command for click."""
        import click

        function = self._function
        for parameter in reversed(self._parameters):
            function = parameter.add_to(function)
        return click.command(self.name)(function)


class Group:
    """A command that has commands below it."""

    def __init__(self, name: str, summary: str) -> None:
        self.name = name
        self._summary = summary
        self._commands: dict[str, Command] = {}

    def command(self, name: str | None = None, *, asks_click: bool = False) -> Callable[[Function], Command]:
        """Declare a command of this group, called as the function is where no `name` is given."""

        def declared(function: Function) -> Command:
            made = Command(name or function.__name__, function, asks_click=asks_click)
            return self._commands.setdefault(made.name, made)

        return declared

    def plain_call(self, words: Sequence[str]) -> Callable[[], int | None] | None:
        """As that of a command."""
        command = self._commands.get(words[0]) if words else None
        return None if command is None else command.plain_call(words[1:])

    def as_click(self) -> click.Group:
        """The same group for click."""
        import click

        commands = {name: command.as_click() for name, command in self._commands.items()}
        return click.Group(self.name, help=self._summary, commands=commands)


def command(*, asks_click: bool = False) -> Callable[[Function], Command]:
    """Declare a command, called as the function is.

    `asks_click` says that it asks click for something while it runs, or refuses what was given by a UsageError.
    """
    return lambda function: Command(function.__name__, function, asks_click=asks_click)


def option(*names: str, **settings: Any) -> Parameter:
    """An option, with click's own settings; see `Parameter`."""
    return Parameter("option", names, settings)


def argument(name: str, **settings: Any) -> Parameter:
    """An argument, with click's own settings; see `Parameter`."""
    return Parameter("argument", (name,), settings)
