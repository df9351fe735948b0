"""Runs any backend's agent under one set of rules, and turns its end into an outcome (SPEC 1.5, 6)."""

from __future__ import annotations

import os
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import msgspec

from pitboss import process
from pitboss.agents.backend import stderr_path
from pitboss.agents.costs import priced
from pitboss.agents.cut_short import verdict_on_cut_short
from pitboss.agents.judgement import AgentExit, AgentVerdict
from pitboss.agents.missing import is_missing
from pitboss.agents.monitor import AgentMonitor
from pitboss.agents.output.lines import shortened
from pitboss.agents.services.words import had_begun
from pitboss.core.agent import AgentOutcome
from pitboss.core.announced_stop import announced_like
from pitboss.core.billing import Evidence, is_cost_known
from pitboss.core.embed import one_line
from pitboss.core.environment import agent_environment, marker
from pitboss.core.redact import Secrets
from pitboss.core.session import Reason, SessionStatus, reason_kind
from pitboss.core.usage import Usage
from pitboss.errors import StartError, storage_error
from pitboss.process import Command, EndedBy, Exit
from pitboss.store.files import write_atomic
from pitboss.store.opening import is_folder, open_regular, remove
from pitboss.store.tail import last_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.agents.backend import Backend, Launch
    from pitboss.agents.judgement import Spend
    from pitboss.agents.reader import Reader
    from pitboss.core.agent import AgentEvent, AgentRequest
    from pitboss.core.config import AgentSettings, Config
    from pitboss.core.sandbox.ground import AgentFolders
    from pitboss.core.stops import StopRequest

CHUNK = 64 * 1024
_ANY_FAILURE = 1
"""Stands in for a lost exit code: then what the agent said decides."""

_BY_SIGNAL = 128
"""Exit codes from here up mean signals; an agent that was killed may have been at work."""

LINE_WIDTH = 100
"""How many characters of a model's name are kept."""

COMPLAINTS = 8 * 1024
"""Bytes of stderr that a verdict considers."""


class Driver:
    """One backend with its settings: the agent (`core.agent.Agent`) of every real CLI."""

    def __init__(self, backend: Backend, settings: AgentSettings, config: Config) -> None:
        self.name = backend.name
        self._backend = backend
        self._settings = settings
        self._config = config
        self._is_older = False

    def folders(self, request: AgentRequest) -> AgentFolders:
        """What of its own it needs to write inside a sandbox, and what it must not change."""
        return self._backend.folders(self._completed(request).env)

    @property
    def resumable(self) -> bool:
        """Whether the agent can resume a session of its own."""
        return self._backend.can_resume(self._settings)

    def run(
        self,
        request: AgentRequest,
        *,
        on_start: Callable[[int, int | None], None],
        on_event: Callable[[AgentEvent], None],
        stop: Callable[[], StopRequest | None],
    ) -> AgentOutcome:
        """Run the agent to its end and bill what it used, however it ended; failures are outcomes, not exceptions.

        `on_start` gets the pid and start time, again for the second process if the first refused an option. Raises
        StorageError if the transcript cannot be written.
        """
        given, request = request, self._completed(request)
        try:
            launch = self._backend.launch(request, self._settings)
        except StartError as error:
            return _not_started(request, error.message, error.hint)
        # A usage file left by an earlier start would be billed twice.
        _remove(Path(request.usage_file))
        if launch.file is not None:
            write_atomic(*launch.file, spare=True)
        monitor = AgentMonitor(self._backend.reader(request), request, self._config.pricing, on_event)
        secrets = Secrets.of(given.env, launch.env_defaults, launch.env)

        def start(argv: tuple[str, ...]) -> Exit:
            return process.run(
                _command(request, msgspec.structs.replace(launch, argv=argv), secrets),
                on_output=monitor.read,
                on_start=on_start,
                stop=announced_like(stop, lambda: stop() or monitor.stop(), monitor.due_s),
            )

        ended = self._in_its_version(start, request, launch)
        if ended.ended_by is EndedBy.SPAWN_FAILED:
            return self._refused(request, ended)
        if launch.file is not None:
            _remove(Path(launch.file[0]))
        monitor.end()
        return self._outcome(request, launch, monitor, ended, secrets)

    def bill(self, request: AgentRequest, *, started: bool = False) -> AgentOutcome:
        """Judge, by what it left on disk, an agent whose runner died: `aborted`, `interrupted`, and its usage.

        `started` says that its process was seen; otherwise an agent without a transcript did not start. What it said
        about its own end counts only for the bill.
        """
        request = self._completed(request)
        monitor = AgentMonitor(self._backend.reader(request), request, self._config.pricing, _unheard)
        found = _read_transcript(Path(request.transcript), monitor)
        monitor.end()
        complaints = _end_of(stderr_path(request))
        evidence = Evidence(
            paid=self.paid,
            started=started or found is not None,
            intact=bool(found) and not monitor.reader.torn,
            failure=monitor.reader.verdict(AgentExit(code=_ANY_FAILURE, complaints=complaints)).reason,
        )
        verdict = AgentVerdict(status=SessionStatus.ABORTED, reason=Reason.INTERRUPTED)
        if self._lost_session(request, monitor.reader, complaints):
            verdict = msgspec.structs.replace(verdict, lost_session=True)
        return self._judged(Secrets.of(os.environ, request.env), monitor.reader, verdict, evidence)

    @property
    def paid(self) -> bool:
        """Whether its work may cost something."""
        return self._backend.uses_model and self._settings.usage != "none"

    def _in_its_version(
        self, start: Callable[[tuple[str, ...]], Exit], request: AgentRequest, launch: Launch
    ) -> Exit:
        """Start the program; if it refuses an option, start it as older versions are started, then and ever after."""
        older = launch.older_argv
        ended = start(older if older and self._is_older else launch.argv)
        if older and not self._is_older and _refuses_option(request, ended):
            self._is_older = True
            ended = start(older)
        return ended

    def _completed(self, request: AgentRequest) -> AgentRequest:
        """The request, completed from the backend's settings and then from those of all agents."""
        idles = (request.idle_seconds, self._settings.idle_seconds, self._config.idle_seconds)
        return msgspec.structs.replace(
            request,
            model=request.model or self._settings.model,
            env=agent_environment(request.env, remove=self._config.env_remove, keep=self._config.env_keep),
            idle_seconds=next(idle for idle in idles if idle is not None),
        )

    def _outcome(
        self, request: AgentRequest, launch: Launch, monitor: AgentMonitor, ended: Exit, secrets: Secrets
    ) -> AgentOutcome:
        verdict, missing = verdict_on_cut_short(request, monitor, ended), False
        if verdict is None:
            complaints = _complaints(request, launch, monitor.reader, ended)
            verdict = monitor.reader.verdict(AgentExit(code=ended.code, complaints=complaints))
            verdict = self._of_lost_session(request, monitor.reader, verdict, complaints)
            missing = monitor.reader.silent and self._is_missing(ended, complaints)
        by_itself = ended.ended_by is EndedBy.EXIT
        evidence = Evidence(
            paid=self.paid,
            # One that is stopped may be cut off anywhere; what broke off by itself may have been its bill.
            intact=not (by_itself and monitor.reader.torn),
            failure=verdict.reason,
            silent=by_itself and 0 < (ended.code or 0) < _BY_SIGNAL and monitor.reader.silent,
        )
        outcome = self._judged(secrets, monitor.reader, verdict, evidence, exit_code=ended.code)
        return msgspec.structs.replace(outcome, missing=missing)

    def _refused(self, request: AgentRequest, ended: Exit) -> AgentOutcome:
        outcome = _not_started(request, ended.error, self._backend.install)
        return msgspec.structs.replace(outcome, missing=self._is_missing(ended))

    def _is_missing(self, ended: Exit, complaints: bytes = b"") -> bool:
        """Whether its program was not there, or not whole; no update replaces one of the user's own."""
        not_there = ended.missing or is_missing(ended, complaints)
        return not_there and self._backend.known_version is not None

    def _of_lost_session(
        self, request: AgentRequest, reader: Reader, verdict: AgentVerdict, complaints: bytes
    ) -> AgentVerdict:
        """`verdict`, marked as a lost session if the agent failed and did nothing but say so."""
        failed = verdict.status is SessionStatus.ERROR
        if not failed or not self._lost_session(request, reader, complaints, verdict.reason):
            return verdict
        return msgspec.structs.replace(verdict, lost_session=True)

    def _lost_session(
        self, request: AgentRequest, reader: Reader, complaints: bytes, reason: str | None = None
    ) -> bool:
        """Whether an agent that was to resume a session did nothing but say that there is none."""
        pattern = self._backend.session_lost
        if request.resume is None or pattern is None or reader.tool_calls:
            return False
        if any(used.has_tokens for used in reader.spend().tokens.values()):
            return False
        said = (reason or "", complaints.decode("utf-8", "replace"))
        return any(pattern.search(words) for words in said)

    def _judged(
        self,
        secrets: Secrets,
        reader: Reader,
        verdict: AgentVerdict,
        evidence: Evidence,
        *,
        exit_code: int | None = None,
    ) -> AgentOutcome:
        """The outcome; removes secrets that did not pass through the redacted output."""
        spend = reader.spend()
        evidence = msgspec.structs.replace(
            evidence,
            says_nothing=spend.nothing or verdict.lost_session,
            acted=reader.tool_calls > 0,
            served=evidence.failure is not None and had_begun(evidence.failure),
        )
        return AgentOutcome(
            status=verdict.status,
            usage=self._billed(spend, evidence, secrets),
            reason=verdict.reason and secrets.redact(verdict.reason),
            model=reader.model and secrets.redact(reader.model),
            text=reader.text and secrets.redact(reader.text),
            exit_code=exit_code,
            resets_at=_resets_at(verdict),
            session_id=reader.session_id,
            tool_calls=reader.tool_calls,
            quota=reader.quota,
            lost_session=verdict.lost_session,
            idle=not reader.worked,
            warning=reader.trouble and shortened(secrets.redact(reader.trouble)),
        )

    def _billed(self, spend: Spend, evidence: Evidence, secrets: Secrets) -> Usage:
        """What was used, what it cost, and whether that is known to be everything."""
        usage = priced(spend, self._config.pricing)
        return msgspec.structs.replace(
            usage,
            cost_known=is_cost_known(usage, evidence),
            unpriced=usage.unpriced and one_line(secrets.redact(usage.unpriced), LINE_WIDTH),
        )


def _command(request: AgentRequest, launch: Launch, secrets: Secrets) -> Command:
    """The command to run; some CLIs work in `$PWD`, whatever their working directory."""
    return Command(
        argv=launch.argv,
        cwd=request.cwd,
        env=launch.env_defaults | request.env | {"PWD": request.cwd} | launch.env,
        stdin=launch.stdin,
        transcript=request.transcript,
        merge_stderr=not launch.split_stderr,
        stderr_path=str(stderr_path(request)) if launch.split_stderr else None,
        max_seconds=request.max_seconds,
        polite_signal=launch.polite_signal,
        marker=marker(request.env),
        secrets=secrets,
        fence=request.fence,
    )


def _refuses_option(request: AgentRequest, ended: Exit) -> bool:
    """Whether the program did nothing but complain about an unknown option."""
    if ended.ended_by is not EndedBy.EXIT or not ended.code or ended.tail:
        return False
    return b"unknown option" in _end_of(stderr_path(request))


def _complaints(request: AgentRequest, launch: Launch, reader: Reader, ended: Exit) -> bytes:
    """The last bytes of what a program complained of: on stderr, or in plain words where it printed nothing else."""
    if not launch.split_stderr:
        return ended.tail
    said = _end_of(stderr_path(request))
    return ended.tail if reader.silent and not said.strip() else said


def _end_of(path: Path) -> bytes:
    """The last bytes of a file; nothing if it was never made or is no longer a file."""
    try:
        return last_bytes(path, COMPLAINTS)[0]
    except OSError:
        return b""


def _read_transcript(path: Path, monitor: AgentMonitor) -> bool | None:
    """Feed a transcript to `monitor`; returns whether all of it could be read, None if there is none."""
    try:
        with open_regular(path) as transcript:
            while chunk := transcript.read(CHUNK):
                monitor.read(chunk)
    except FileNotFoundError:
        return None
    except OSError:
        return False
    return True


def _remove(path: Path) -> None:
    """Remove a file if there is one; a directory that an agent put in its place stays, and is no usage report."""
    try:
        remove(path)
    except OSError as error:
        if not is_folder(path):
            raise storage_error("remove", path, error) from error


def _resets_at(verdict: AgentVerdict) -> float | None:
    """When a usage limit ends, epoch seconds: from the CLI's own numbers, else from its words, relative to now."""
    if verdict.resets_at is not None or reason_kind(verdict.reason) is not Reason.RATE_LIMITED:
        return verdict.resets_at
    # Imported here: it compiles many patterns, and limits are rare.
    from pitboss.core.reset_time import moment_in

    return moment_in(verdict.words or verdict.reason or "", time())


def _not_started(request: AgentRequest, message: str | None, hint: str | None) -> AgentOutcome:
    words = message if hint is None else f"{message}; {hint}"
    return AgentOutcome(
        status=SessionStatus.ERROR,
        usage=Usage(),
        reason=Reason.SPAWN_FAILED.because(words),
        model=request.model,
    )


def _unheard(_event: AgentEvent) -> None:
    """Ignore the events of an agent that has ended."""
