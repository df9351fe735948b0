"""Joins a run's notices to its configuration, and sends the last one when the run is over (SPEC 12)."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pitboss.core.condition import Condition, condition
from pitboss.core.config import HEARTBEAT, HEARTBEAT_END, Topic
from pitboss.core.events import Warned
from pitboss.core.notice import News, Owed, address, variables
from pitboss.core.noticing import last_news, needy, worth_telling
from pitboss.core.redact import ALSO_REDACTED, Secrets
from pitboss.errors import PitbossError
from pitboss.screens.notify.errands import COMMAND, LAST_S, ROUND_S, Letter, Round
from pitboss.screens.notify.handover import Handover, Left
from pitboss.screens.notify.outlet import NoticeOutlet, face
from pitboss.screens.notify.post import Post, Pulse, addressed
from pitboss.screens.output import note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
    from pathlib import Path

    from pitboss.core.config import Config, NotifySettings
    from pitboss.core.events import Observer, Outlet
    from pitboss.core.notice import Address
    from pitboss.screens.notify.errands import Errands

MISSING = "the extra `notify` is not installed: `pip install 'pitboss[notify]'`"


def keep_secret(settings: NotifySettings, environ: MutableMapping[str, str]) -> None:
    """From now on the variables of the addresses count as secrets, here and in every child."""
    named = [name for text in settings.addresses.values() for name in variables(text)]
    if named:
        before = [name for name in environ.get(ALSO_REDACTED, "").split(",") if name]
        environ[ALSO_REDACTED] = ",".join(dict.fromkeys((*before, *named)))


def addresses_of(settings: NotifySettings, environ: Mapping[str, str]) -> dict[str, Address]:
    """Every address by its setting, with its variables looked up."""
    return {setting: address(text, setting, environ) for setting, text in settings.addresses.items()}


def has_apprise() -> bool:
    """Whether the extra is there; loads none of it."""
    return find_spec("apprise") is not None


def obstacles(settings: NotifySettings, found: Mapping[str, Address]) -> Iterator[str]:
    """What keeps notices from being sent, one sentence each."""
    if settings.urls and not has_apprise():
        yield f"notices go to no address of [notify] urls, as {MISSING}"
    for setting, each in found.items():
        if each.missing:
            names = ", ".join(each.missing)
            yield f"{setting} is not used: the environment has no {names}"


class Notices:
    """The notices of one run: in the runner by an outlet, in the guardian `afterwards`.

    `warnings` are for the start of the run.
    """

    def __init__(self, root: Path, run_id: str, settings: NotifySettings, errands: Errands) -> None:
        """Make it before the fork: the variables of its addresses are secrets from here on."""
        keep_secret(settings, os.environ)
        self._root = root
        self._run_id = run_id
        self._settings = settings
        self._errands = errands
        self._handover = Handover()
        self._emit: Observer | None = None
        found = addresses_of(settings, os.environ)
        self.warnings = tuple(obstacles(settings, found))
        self._usable = {setting: each for setting, each in found.items() if each.url is not None}
        told = (
            [name for name in self._usable if name not in (HEARTBEAT, HEARTBEAT_END)] if has_apprise() else []
        )
        self._channels = (*told, *([COMMAND] if settings.command is not None else []))

    def outlets(self) -> tuple[Outlet[Any], ...]:
        """The outlet of the live run; make it in the runner."""
        from pitboss.screens.notify.outbox import Outbox

        outbox = Outbox(self._channels, self._settings.on, self._handover)

        def failed(channel: str, reason: str) -> None:
            if self._emit is not None and outbox.first_failure(channel):
                self._emit(Warned(text=self._failed(channel, reason)))

        post = Post(
            outbox, self._errands, self._addressed, self._needs, failed, self._settings.min_interval_s
        )
        beat = self._beat(HEARTBEAT)
        pulse = None if beat is None else Pulse(beat, self._settings.heartbeat_s, self._errands, failed)
        return (NoticeOutlet(outbox, post, pulse, self._errands.drop),)

    def warn_by(self, emit: Observer) -> None:
        """Where the live run's warnings go."""
        self._emit = emit

    def afterwards(self, give_up: Callable[[], bool]) -> None:
        """Send the last notice, once the run is over; not for one that never began."""
        left = self._handover.read()
        if not left.began:
            return
        news, in_order = self._ending()
        owed = self._last_owed(left, news)
        sent = self._addressed(owed)
        if in_order and (beat := self._beat(HEARTBEAT_END)):
            sent = Round(letters=(*sent.letters, beat), event=sent.event)
        failures = self._errands.run(sent, LAST_S, give_up) if sent.letters or sent.event else {}
        for channel, reason in failures.items():
            if channel not in left.warned:
                note(f"warning: {self._failed(channel, reason)}")

    def _last_owed(self, left: Left, news: tuple[News, ...]) -> dict[str, Owed]:
        told = news if worth_telling(news, self._settings.on) else ()
        owed = {channel: left.owed.get(channel, Owed()) for channel in self._channels}
        merged = {channel: Owed(news=told).plus(each.news) for channel, each in owed.items()}
        return {channel: each for channel, each in merged.items() if each}

    def _ending(self) -> tuple[tuple[News, ...], bool]:
        """How the run ended, and whether that was in order."""
        from pitboss.cli.shared.needy import needs_of
        from pitboss.store.follow import snapshot

        try:
            seen = snapshot(self._root, self._run_id, last=0)
        except PitbossError:
            return last_news(None, Condition.UNREADABLE, (), face), False
        how = condition(seen.state, live=False)
        return last_news(seen.state, how, needs_of(self._root, seen), face), how in _IN_ORDER

    def _needs(self) -> Iterable[News]:
        """What needs a person in the live run; without git, which knows no more while it is live."""
        from pitboss.core.needs import needs
        from pitboss.store.follow import snapshot
        from pitboss.store.situation import records_that_may_need, situation

        try:
            seen = snapshot(self._root, self._run_id, last=0)
            records = records_that_may_need(self._root, self._run_id)
            return needy(needs(situation(self._root, seen, None, records=records, condition=Condition.LIVE)))
        except PitbossError:
            return ()

    def _addressed(self, owed: Mapping[str, Owed]) -> Round:
        secrets = Secrets.of(os.environ)
        clean = {channel: each.redacted(secrets.redact) for channel, each in owed.items()}
        return addressed(clean, self._usable, str(self._root), self._run_id)

    def _beat(self, setting: str) -> Letter | None:
        found = self._usable.get(setting)
        return None if found is None or found.url is None else Letter(channel=setting, url=found.url)

    def _failed(self, channel: str, reason: str) -> str:
        found = self._usable.get(channel)
        what = "the heartbeat" if channel in (HEARTBEAT, HEARTBEAT_END) else "a notice"
        return f"{what} did not get through to {channel if found is None else found.name}: {reason}"


_IN_ORDER = (Condition.COMPLETED, Condition.ABORTED)


class TrialNotice:
    """One test notice to everybody whom the configuration names."""

    def __init__(self, root: Path, config: Config, environ: MutableMapping[str, str]) -> None:
        from pitboss.cli.shared.errands import RealErrands

        self._root = root
        self._settings = config.notify
        keep_secret(config.notify, environ)
        self._found = addresses_of(config.notify, environ)
        self._errands = RealErrands(root, config.notify.command, config.grind.hook_env_passthrough)

    def results(self) -> dict[str, str | None]:
        """By name, why it failed; None where it worked."""
        failures = self._cannot()
        tried = [setting for setting in self._found if setting not in failures and setting != HEARTBEAT_END]
        owed = dict.fromkeys((name for name in tried if name != HEARTBEAT), _TEST)
        owed |= {COMMAND: _TEST} if self._settings.command is not None else {}
        sent = addressed(owed, self._found, str(self._root), "test")
        if HEARTBEAT in tried:
            beat = Letter(channel=HEARTBEAT, url=self._found[HEARTBEAT].url or "")
            sent = Round(letters=(*sent.letters, beat), event=sent.event)
        failures |= self._errands.run(sent, ROUND_S, lambda: False)
        asked = [setting for setting in self._found if setting in failures or setting in tried]
        results = {self._found[setting].name: failures.get(setting) for setting in asked}
        return results | {channel: failures.get(channel) for channel in owed if channel == COMMAND}

    def _cannot(self) -> dict[str, str]:
        missing = {
            setting: f"the environment has no {', '.join(each.missing)}"
            for setting, each in self._found.items()
            if each.missing
        }
        if has_apprise():
            return missing
        return {name: MISSING for name in self._found if name not in (HEARTBEAT, HEARTBEAT_END)} | missing


_TEST = Owed(
    news=(
        News(
            topic=Topic.ENDED,
            text="a test: notices of runs in this repository arrive here",
            command="pitboss status",
        ),
    )
)
