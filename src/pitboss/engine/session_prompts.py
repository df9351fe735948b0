"""Decides which text of its prompt a session works with: the one in the file when it was dispatched (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pitboss.core.events import Warned
from pitboss.core.left_out import current_streaks, left_out, limits
from pitboss.core.prompt_edit import Rewritten, Unreadable, turns_differ, unfit
from pitboss.core.slash_commands import unexpanded
from pitboss.core.words.standing import left_out_words
from pitboss.store.kept_prompts import keep_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.events import Observer
    from pitboss.core.mission import Mission
    from pitboss.core.prompt import PromptDoc
    from pitboss.core.prompt_edit import Edit
    from pitboss.core.session import Assignment
    from pitboss.engine.journal import Journal


class PromptFiles(Protocol):
    """The files that prompts come from."""

    def look(self, name: str) -> Edit | None:
        """What has become of a prompt's file since the last look; None if its content is the same."""
        ...


class SessionPrompts:
    """The prompts of a live run. A session keeps its text to its end, whatever is edited meanwhile."""

    def __init__(self, mission: Mission, files: PromptFiles, journal: Journal, emit: Observer) -> None:
        self._mission = mission
        self._files = files
        self._journal = journal
        self._emit = emit
        self._latest = dict(mission.prompts)
        self._kept: dict[int, PromptDoc] = {}
        self._refused: dict[str, str] = {}
        self._noticed: dict[str, Rewritten] = {}
        self._left_out: frozenset[str] = frozenset()

    def of(self, session: Assignment) -> PromptDoc | None:
        """The text of a session; None if its prompt takes no part any more. Any thread may ask."""
        return self._kept.get(session.seq) or self._latest.get(session.prompt)

    def begin(self, name: str, seq: int) -> PromptDoc:
        """The text that session `seq`, which is being dispatched, gets; only the loop's thread calls this."""
        match self._files.look(name) or self._noticed.get(name):
            case Rewritten(doc):
                self._judge(doc, name, seq)
            case Unreadable(reason):
                self._refuse(name, reason)
            case None:
                pass
        self._noticed.pop(name, None)
        return self._latest[name]

    def look_at_limits(self) -> None:
        """Let an edited `max_barren` count for the next choice; only the loop's thread calls this.

        Only prompts whose last session landed nothing are looked at: no other can be at its limit. The rest of an edit
        waits for the next session of its prompt.
        """
        for name in sorted(current_streaks(self._journal.state).keys() & self._latest.keys()):
            match self._files.look(name):
                case Rewritten() as edit:
                    self._noticed[name] = edit
                case Unreadable(reason):
                    self._refuse(name, reason)
                case None:
                    pass
        noticed = {name: edit.doc for name, edit in self._noticed.items()}
        fit = {name: doc for name, doc in noticed.items() if unfit(doc, name, self._mission) is None}
        self._journal.limited(limits(self._mission.rotation.prompt_names, self._latest | fit))
        self._tell_left_out()

    def _tell_left_out(self) -> None:
        now = left_out(self._journal.state)
        for each in now:
            if each.prompt not in self._left_out:
                self._emit(Warned(text=f"{each.prompt} {left_out_words(each)}"))
        self._left_out = frozenset(each.prompt for each in now)

    def _judge(self, doc: PromptDoc, name: str, seq: int) -> None:
        if reason := unfit(doc, name, self._mission):
            self._refuse(name, f"{doc.source_path}: {reason}")
            return
        if self._refused.pop(name, None) is not None:
            keep_prompt(self._journal.rundir.paths, doc)
        old = self._latest[name]
        if doc == old:
            return
        running = {s.seq: s.assignment for s in self._journal.state.in_flight}
        theirs = {n: old for n, each in running.items() if each.prompt == name and n not in self._kept}
        self._kept = {n: text for n, text in self._kept.items() if n in running} | theirs
        self._latest = {**self._latest, name: doc}
        for text in _news(old, doc, seq):
            self._emit(Warned(text=text))

    def _refuse(self, name: str, reason: str) -> None:
        """Warn once of a text that is not used, and keep the one that is, for a resume to find."""
        if self._refused.get(name) != reason:
            self._refused[name] = reason
            keep_prompt(self._journal.rundir.paths, self._latest[name])
            self._emit(Warned(text=f"the prompt {name} keeps its old text: {reason}"))


def _news(old: PromptDoc, new: PromptDoc, seq: int) -> Iterator[str]:
    name = new.meta.name
    yield f"the prompt {name} was edited: session {seq} is the first to get its new text"
    if turns_differ(old, new):
        yield f"the new weight, every, max_runs and parallel_safe of {name} count when the run is resumed"
    if problem := unexpanded(new):
        yield str(problem)
