"""Declares commands without loading click, which takes longer than most of them do (SPEC 8).

A command line is plain if it has only options, each spelled out and with a value that makes sense: `pitboss status`,
`pitboss runs --json`, `pitboss grind --max-iterations 10`. The command is then called just as click would call it. All
else (arguments, mistakes, help, completion) goes through click, whose commands are built from the same declarations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import click

    from pitboss.cli.shared.given import ValueKind

    Function = Callable[..., int | None]

_PLAIN = frozenset(
    ("flag_value", "help", "is_flag", "metavar", "multiple", "shell_complete", "type"),
)
"""Settings of options whose values need no click."""


class Parameter:
    """An option or argument, as click declares it, except that `type` is a `ValueKind`."""

    def __init__(self, kind: str, names: tuple[str, ...], settings: Mapping[str, Any]) -> None:
        self.names = names
        self.is_flag = bool(settings.get("is_flag"))
        self.is_required = settings.get("required", kind == "argument")
        self._kind = kind
        self._settings = settings

    def __call__(self, function: Function) -> Function:
        """Use as a decorator: attach the parameter to `function`, where `DeclaredCommand` collects it."""
        declared = getattr(function, "parameters", ())
        function.parameters = (self, *declared)  # type: ignore[attr-defined]
        return function

    @property
    def name(self) -> str:
        """Its name in the signature of the function."""
        given = [name for name in self.names if not name.startswith("-")]
        return (given or [max(self.names, key=len).lstrip("-").replace("-", "_")])[0]

    @property
    def default(self) -> object:
        """What the function gets when the parameter is not on the command line."""
        several = self._settings.get("multiple") or self._settings.get("nargs") == -1
        return False if self.is_flag else () if several else None

    @property
    def is_plain(self) -> bool:
        """Whether it can be parsed without click."""
        return self._kind == "option" and self._settings.keys() <= _PLAIN

    def taken(self, rest: list[str], before: object) -> object:
        """What the function gets for this option, with its value taken from `rest`, the words after it.

        `before` is what it would get without. Raises ValueError or IndexError if that is something for click.
        """
        if self.is_flag:
            return True
        if "flag_value" in self._settings and (not rest or rest[0][:1] == "-"):
            return self._settings["flag_value"]
        kind: ValueKind | None = self._settings.get("type")
        value = rest.pop(0) if kind is None else kind.parse(rest.pop(0))
        return (*before, value) if isinstance(before, tuple) else value

    def add_to(self, function: Function) -> Function:
        """Declare it for click."""
        import click

        settings = dict(self._settings)
        if "type" in settings:
            settings["type"] = settings["type"].as_click()
        return getattr(click, self._kind)(*self.names, **settings)(function)  # type: ignore[no-any-return]


class DeclaredCommand:
    """A command: the function it runs, and the parameters attached to that."""

    def __init__(self, name: str, function: Function, *, asks_click: bool) -> None:
        self.name = name
        self._function = function
        self._parameters: tuple[Parameter, ...] = getattr(function, "parameters", ())
        self._asks_click = asks_click or any(parameter.is_required for parameter in self._parameters)

    def plain_call(self, words: Sequence[str]) -> Callable[[], int | None] | None:
        """The call that the `words` after the command's name mean; None if only click can parse them."""
        options = {name: p for p in self._parameters if p.is_plain for name in p.names if name[0] == "-"}
        chosen = {p.name: p.default for p in self._parameters}
        rest = list(words)
        try:
            while rest and not self._asks_click:
                word = rest.pop(0)
                option = options[word]
                chosen[option.name] = option.taken(rest, chosen[option.name])
        except (LookupError, ValueError):
            return None
        return None if self._asks_click else lambda: self._function(**chosen)

    def as_click(self) -> click.Command:
        """The same command for click."""
        import click

        function = self._function
        for parameter in reversed(self._parameters):
            function = parameter.add_to(function)
        return click.command(self.name)(function)


class DeclaredGroup:
    """A command with subcommands."""

    def __init__(self, name: str, summary: str) -> None:
        self.name = name
        self._summary = summary
        self._commands: dict[str, DeclaredCommand] = {}

    def command(
        self, name: str | None = None, *, asks_click: bool = False
    ) -> Callable[[Function], DeclaredCommand]:
        """Declare a command of this group, named after the function by default."""

        def declared(function: Function) -> DeclaredCommand:
            made = DeclaredCommand(name or function.__name__, function, asks_click=asks_click)
            return self._commands.setdefault(made.name, made)

        return declared

    def plain_call(self, words: Sequence[str]) -> Callable[[], int | None] | None:
        """As `DeclaredCommand.plain_call`."""
        command = self._commands.get(words[0]) if words else None
        return None if command is None else command.plain_call(words[1:])

    def as_click(self) -> click.Group:
        """The same group for click."""
        import click

        commands = {name: command.as_click() for name, command in self._commands.items()}
        return click.Group(self.name, help=self._summary, commands=commands)


def command(*, asks_click: bool = False) -> Callable[[Function], DeclaredCommand]:
    """Declare a command named after the function.

    `asks_click` means that it needs click's context while it runs, for instance to raise a UsageError.
    """
    return lambda function: DeclaredCommand(function.__name__, function, asks_click=asks_click)


def option(*names: str, **settings: Any) -> Parameter:
    """Declare an option with the settings of `click.option`; see `Parameter`."""
    return Parameter("option", names, settings)


def argument(name: str, **settings: Any) -> Parameter:
    """Declare an argument with the settings of `click.argument`; see `Parameter`."""
    return Parameter("argument", (name,), settings)
