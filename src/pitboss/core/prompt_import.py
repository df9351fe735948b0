"""Makes a prompt from a file written for another program: a command, a skill, a subagent, plain text (SPEC 8).

Such files are read more loosely than prompts, because their own programs accept frontmatter that is not valid YAML.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from pitboss.core import embed
from pitboss.core.fields import Wrong
from pitboss.core.foreign_keys import STAND_INS
from pitboss.core.frontmatter import split_fences, split_frontmatter
from pitboss.core.made_up import beginning, slug
from pitboss.core.patterns import lazy_pattern
from pitboss.core.prompt import CHECKS, prompt_name, prompt_text
from pitboss.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOOSE_KEY = lazy_pattern(r"([A-Za-z][\w-]*):(?:[ \t]+(.*))?")
_BLOCK = lazy_pattern(r"[|>][-+]?\d?")
_NO_MODEL = ("inherit", "default")
_NOT_OURS = "agent"
"""A skill's key of this name means a subagent, not one of our agents."""

_NOT_DONE = (
    (
        re.compile(r"\$(?:ARGUMENTS(?:\[\d+\])?|[0-9])(?!\w)|\{\{args\}\}"),
        "prompts take no arguments: write out what they stand for",
    ),
    (
        re.compile(r"!`[^`\n]+`|!\{[^}\n]+\}"),
        "its output is not inserted: ask the agent to run the command",
    ),
    (
        re.compile(r"(?<![\w`./@-])@(?:\.{0,2}/)?[\w-][\w.-]*(?:/[\w.-]+|\.\w+)[\w./-]*"),
        "the file is not inserted: ask the agent to read it",
    ),
    (re.compile(r"\$\{CLAUDE_[A-Z_]+\}"), "the variable is not set: write out the path"),
)
"""What other programs replace in a text before a model reads it, and what to do about that here."""


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a new prompt file called `name`; each of the `notes` is a sentence about something left behind."""

    name: str
    text: str
    notes: tuple[str, ...] = ()


def import_prompt(text: str, *, file: str, name: str | None, stem: str) -> Imported:
    """Make a prompt from `text`, which was read from `file`.

    The prompt is called `name`, else what the file says, else `stem`. Raises InputError when there is no text
    for an agent, Wrong when the name is not valid.
    """

    values, body = _read(text, file)
    body = body.strip("\n")
    if not body.strip():
        raise InputError([Problem(file, "has no text to give to an agent")])
    called = prompt_name(name or slug(values.get("name")) or slug(stem))
    settings: dict[str, object] = {"name": called, "description": _description(values, body)}
    notes = []
    for key, value in values.items():
        if key in settings:
            continue
        dropped = _dropped(key, value)
        if dropped is None:
            settings[key] = value
        else:
            notes.append(f"dropped `{embed.one_line(key, 40)}`: {dropped}")
    text = prompt_text(settings, f"{body}\n")
    return Imported(name=called, text=text, notes=(*notes, *_left_to_the_agent(body)))


def _read(text: str, file: str) -> tuple[Mapping[str, object], str]:
    """The settings and the body of a file; without frontmatter it is all body."""
    try:
        front, body = split_fences(text, file)
    except InputError:
        return {}, text.replace("\r\n", "\n")
    try:
        return split_frontmatter(text, file)[0].values, body
    except InputError:
        return dict(_loosely(front)), body


def _loosely(front: str) -> Iterator[tuple[str, object]]:
    """Read `key: value` lines; a following line that is not one belongs to the value before it."""
    key, lines = "", [""]
    for line in front.split("\n"):
        found = _LOOSE_KEY.fullmatch(line.rstrip())
        if found is None:
            lines.append(line.strip())
            continue
        if key:
            yield key, _unquoted(lines)
        key, lines = found[1], [found[2] or ""]
    if key:
        yield key, _unquoted(lines)


def _unquoted(lines: list[str]) -> str:
    text = " ".join(lines[1:] if _BLOCK.fullmatch(lines[0].strip()) else lines).strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _description(values: Mapping[str, object], body: str) -> str:
    """One line: the file's own, else the beginning of its first line."""
    given = values.get("description")
    # Subagents' files write `\n` for a line break.
    stated = embed.one_line(given.replace("\\n", " ")) if isinstance(given, str) else ""
    return stated or beginning(body) or "Imported"


def _dropped(key: str, value: object) -> str | None:
    """Why a setting was dropped, and what pitboss has instead; None when it was kept."""
    if key == "model" and value in _NO_MODEL:
        return "the configured model is used unless a prompt names one"
    if key in STAND_INS:
        return STAND_INS[key]
    if key == _NOT_OURS:
        return "here it names the agent, claude_code for example; set it unless the configured one is right"
    if key not in CHECKS:
        return "pitboss has no such setting"
    try:
        CHECKS[key](value)
    except Wrong as wrong:
        return str(wrong)
    return None


def _left_to_the_agent(body: str) -> Iterator[str]:
    """What another program would have replaced in the text, and on which lines."""
    lines = body.split("\n")
    for pattern, advice in _NOT_DONE:
        found = [
            (number, match[0]) for number, line in enumerate(lines, 1) if (match := pattern.search(line))
        ]
        if found:
            where = ", ".join(str(number) for number, _ in found[:5]) + (", ..." if found[5:] else "")
            plural = "s" if len(found) > 1 else ""
            yield f'line{plural} {where} of the text: "{embed.one_line(found[0][1], 60)}": {advice}'
