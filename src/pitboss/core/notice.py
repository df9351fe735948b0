"""Notices as values: news for people who are away, and what each address has yet to get (SPEC 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.core.config import Topic
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MOST_OWED = 20
"""Pieces of news in one notice; of more, the notice says how many there were."""

_VARIABLE = lazy_pattern(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SERVICE = lazy_pattern(r"([a-z][a-z0-9+.-]*)://.*")


class News(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell, and the command that comes next; an empty command means none."""

    topic: Topic
    text: str
    command: str = ""


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """News that one address has not had yet, oldest first; `more` counts what found no room."""

    news: tuple[News, ...] = ()
    more: int = 0

    def __bool__(self) -> bool:
        """Whether anything is owed."""
        return bool(self.news or self.more)

    def plus(self, added: Iterable[News]) -> Owed:
        """The same and `added`; whoever is still owed a piece of news need not get it twice."""
        news, more = list(self.news), self.more
        for each in added:
            if each in news:
                continue
            if len(news) < MOST_OWED:
                news.append(each)
            else:
                more += 1
        return Owed(news=tuple(news), more=more)

    def minus(self, sent: Owed) -> Owed:
        """What is left once `sent`, which was owed before, has arrived."""
        return Owed(
            news=tuple(each for each in self.news if each not in sent.news), more=self.more - sent.more
        )

    def redacted(self, redact: Callable[[str], str]) -> Owed:
        """The same, each text without its secrets."""
        news = tuple(msgspec.structs.replace(each, text=redact(each.text)) for each in self.news)
        return Owed(news=news, more=self.more)


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message: `news` of a run, to be told at once. `repository` is the path of its root."""

    repository: str
    run_id: str
    owed: Owed

    @property
    def title(self) -> str:
        """The name of the repository, and the run."""
        name = self.repository.rstrip("/").rpartition("/")[2]
        return f"{name or self.repository} {self.run_id}"

    @property
    def text(self) -> str:
        """Line by line: each piece of news, and its command below it."""
        lines: list[str] = []
        for each in self.owed.news:
            lines += [each.text, *([f"    {each.command}"] if each.command else [])]
        if self.owed.more:
            lines.append(f"and {self.owed.more} more")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "repository": self.repository,
            "run_id": self.run_id,
            "title": self.title,
            "text": self.text,
            "events": [
                {"on": each.topic.value, "text": each.text, "command": each.command or None}
                for each in self.owed.news
            ],
            "more": self.owed.more,
        }


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """An address whose variables were looked up. `url` is a secret, None if some of its variables are `missing`.

    `name` may be shown: it holds nothing that came from a variable.
    """

    name: str
    url: str | None
    missing: tuple[str, ...] = ()


def variables(text: str) -> tuple[str, ...]:
    """The variables that an address names."""
    return tuple(dict.fromkeys(_VARIABLE.findall(text)))


def address(text: str, setting: str, environ: Mapping[str, str]) -> Address:
    """The address written in `text` of that setting, with the values of its `${VAR}`; empty ones count as missing."""
    missing = tuple(name for name in variables(text) if not environ.get(name))
    service = _SERVICE.fullmatch(text)
    name = f"{setting} ({service[1]})" if service else setting
    url = None if missing else _VARIABLE.sub(lambda found: environ[found[1]].strip(), text)
    return Address(name=name, url=url, missing=missing)
