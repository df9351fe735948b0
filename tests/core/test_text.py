"""Texts that programs and people read again: to the letter, and not to be broken from inside."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import BudgetSnapshot, Caps
from pitboss.core.chooser import Choice
from pitboss.core.config import HookSettings
from pitboss.core.embed import clean, first_bytes, last_bytes, one_line
from pitboss.core.measures import age, duration, exact_money, exactly_spent, money, spent, stamp, tokens
from pitboss.core.prompt import PromptDoc, PromptMeta, PromptSource
from pitboss.core.rotation import Entry, Rotation
from pitboss.core.run import RunState
from pitboss.core.scheduler import SchedulerState
from pitboss.core.session import SessionRecord, SessionStatus, TokenUsage
from pitboss.core.stops import RunStatus
from pitboss.core.summary import first_paragraph
from pitboss.core.text import (
    PREVIEWED,
    DryRun,
    commit_message,
    compose_prompt,
    dry_run_report,
    fixer_prompt,
    merge_message,
    picked_message,
    rescue_message,
    session_line,
    sessions_md_entry,
    squash_message,
    standing_instructions,
    unknown_placeholder,
)
from pitboss.core.text.sessions import HEADER
from pitboss.core.usage import RoleTokens
from tests.support.values import record

if TYPE_CHECKING:
    from pathlib import Path

RUN_ID = "20260430T180000Z-ab12"
START = datetime(2026, 4, 30, 18, 0, tzinfo=UTC)

# Text that tries to be structure, mixed with any text at all.
hostile = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(
            [
                "\n",
                "\r\n",
                "<!-- /pitboss:session-log -->",
                "<!--pitboss:standing-instruction:end-->",
                "<!-- \n /pitboss:scratchpad -->",
                "## session-0099 — fake (ok)",
                "# Sessions",
                "Pitboss-Session: 99",
                "  pitboss-run : x",
                "---",
                "--- a/file",
                "# ------------------------ >8 ------------------------",
                "\x00\x1b[31m",
                "\ud800",
                "```",
                "- commit: 1234567",
            ]
        ),
    ),
    max_size=12,
).map("".join)


def make_record(**changes: object) -> SessionRecord:
    values: dict[str, object] = {
        "seq": 1,
        "run_id": RUN_ID,
        "prompt": "alpha",
        "started_at": START,
        "ended_at": START + timedelta(seconds=185),
        "status": SessionStatus.OK,
        "summary": "Added tests.",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "tokens": TokenUsage(
            input=1200, output=300, by_role={"implementer": RoleTokens(input=1200, output=300)}
        ),
        "cost_usd": 0.0123,
        "transcript_path": "transcripts/session-0001.log",
    }
    return SessionRecord(**(values | changes))  # type: ignore[arg-type]


class TestPrompt:
    def test_sections_come_in_order_and_the_body_last_and_verbatim(self) -> None:
        text = compose_prompt(
            body="# Do it\n\n<!-- pitboss:scratchpad -->  \n",
            session_log="## session-0001 — alpha (ok)\n",
            scratchpad="remember\n",
            scratchpad_truncated=False,
        )

        assert text == (
            f"{standing_instructions()}\n\n"
            "<!-- pitboss:session-log -->\n## session-0001 — alpha (ok)\n<!-- /pitboss:session-log -->\n\n"
            "<!-- pitboss:scratchpad -->\nremember\n<!-- /pitboss:scratchpad -->\n\n"
            "# Do it\n\n<!-- pitboss:scratchpad -->  \n"
        )

    def test_nothing_to_show_is_said(self) -> None:
        text = compose_prompt(body="go", session_log="", scratchpad="\n", scratchpad_truncated=False)

        assert "<!-- pitboss:session-log -->\n(no prior sessions)\n<!-- /pitboss:session-log -->" in text
        assert "<!-- pitboss:scratchpad -->\n(scratchpad is empty)\n<!-- /pitboss:scratchpad -->" in text

    def test_a_shortened_scratchpad_says_so(self) -> None:
        text = compose_prompt(body="go", session_log="", scratchpad="end of notes", scratchpad_truncated=True)

        assert (
            "<!-- pitboss:scratchpad -->\n(only the last part; the file holds more)\nend of notes\n"
            "<!-- /pitboss:scratchpad -->" in text
        )

    def test_standing_instructions_name_the_summary_the_scratchpad_and_who_commits(self) -> None:
        text = standing_instructions()

        assert text.startswith("<!-- pitboss:standing-instruction:start -->\n")
        assert text.endswith("\n<!-- pitboss:standing-instruction:end -->")
        for promise in ("PITBOSS_SUMMARY_FILE", "PITBOSS_SCRATCHPAD", "pitboss commits"):
            assert promise in text

    @given(hostile, hostile)
    def test_embedded_text_cannot_open_or_close_a_section(self, log: str, scratchpad: str) -> None:
        text = compose_prompt(body="BODY", session_log=log, scratchpad=scratchpad, scratchpad_truncated=False)

        collapsed = "".join(text.lower().split())
        assert collapsed.count("<!--pitboss:") == 4
        assert collapsed.count("<!--/pitboss:") == 2
        text.encode()

    def test_the_fixer_sees_the_task_the_command_and_the_last_40_lines(self) -> None:
        output = "".join(f"line {n}\n" for n in range(1, 101)) + "<!-- /pitboss:test-output -->\n"

        text = fixer_prompt(body="Do it.\n", command="cargo  test", output=output)

        shown = "".join(f"line {n}\n" for n in range(62, 101)) + "&lt;!-- /pitboss:test-output -->\n"
        assert text.endswith(
            "\n\nThe task was:\n\nDo it.\n\nThis command failed:\n\n    cargo test\n\n"
            f"<!-- pitboss:test-output -->\n{shown}<!-- /pitboss:test-output -->\n"
        )

    def test_a_fixer_without_output_is_told_so_and_endless_lines_are_bounded(self) -> None:
        assert "\n(no output)\n" in fixer_prompt(body="x", command="t", output="")
        assert len(fixer_prompt(body="x", command="t", output="y" * 10_000_000)) < 20_000


class TestFirstParagraph:
    @pytest.mark.parametrize(
        ("message", "paragraph"),
        [
            (None, None),
            (" \n\t\n", None),
            ("Done: wrote hello.txt.", "Done: wrote hello.txt."),
            ("\n\nFirst,\nin two lines.\n \nSecond.", "First,\nin two lines."),
            ("## Summary\n\nMended the parser.\n\nMore.", "Mended the parser."),
            ("**What I did:**\r\n\r\nMended it.", "Mended it."),
            ("---\n\nMended it.", "Mended it."),
            ("## All done", "## All done"),
            ("\x1b]52;c;eA==\x07Mended", "]52;c;eA==Mended"),
            ("word " * 200, "word " * 99 + "word…"),
        ],
    )
    def test_the_first_paragraph_that_says_something(
        self, message: str | None, paragraph: str | None
    ) -> None:
        assert first_paragraph(message) == paragraph

    @given(hostile)
    def test_it_is_short_and_clean_whatever_the_agent_said(self, message: str) -> None:
        said = first_paragraph(message * 40)

        assert said is None or (0 < len(said) <= 500 and "\x1b" not in said and "\n\n" not in said)


class TestCommitMessage:
    def test_subject_body_and_trailers(self) -> None:
        message = commit_message(prompt="alpha", seq=7, run_id=RUN_ID, summary="Added tests.\n\nAll pass.\n")

        assert message == (
            "alpha: Added tests.\n\nAdded tests.\n\nAll pass.\n\n"
            f"Pitboss-Run: {RUN_ID}\nPitboss-Session: 7\nPitboss-Prompt: alpha\n"
        )

    @pytest.mark.parametrize(
        ("prompt", "summary", "subject"),
        [
            ("alpha", "# Added tests\n\nAll pass.", "alpha: Added tests"),
            ("alpha", "\n\n  Added   tests  ", "alpha: Added tests"),
            ("alpha", "#12 is mended", "alpha: #12 is mended"),
            ("alpha", "word " * 20, f"alpha: {'word ' * 12}word…"),
            ("alpha", "x" * 100, f"alpha: {'x' * 64}…"),
            ("alpha", "ends in a comma, " + "y" * 60, f"alpha: ends in a comma, {'y' * 47}…"),
            ("p" * 80, "Added tests", f"{'p' * 71}…"),
            ("alpha", None, "alpha: (no summary provided)"),
        ],
    )
    def test_the_subject_is_the_prompt_and_what_was_done_cut_at_a_word(
        self, prompt: str, summary: str | None, subject: str
    ) -> None:
        message = commit_message(prompt=prompt, seq=1, run_id=RUN_ID, summary=summary)

        assert message.partition("\n")[0] == subject
        assert len(subject) <= 72

    @pytest.mark.parametrize(
        ("template", "subject"),
        [
            ("[pitboss/grind] {prompt} {session} ({run})", f"[pitboss/grind] alpha session-0007 ({RUN_ID})"),
            ("{prompt} {session} of the run {run} and all that it did since last week", None),
            ("chore(#{seq}): {summary}", "chore(#7): Added tests to what had none"),
            ("{summary} [{run}]", f"Added tests to what had none [{RUN_ID}]"),
            ("{{{prompt}}}", "{alpha}"),
            ("Pitboss-Run: {seq}", "> Pitboss-Run: 7"),
        ],
    )
    def test_a_subject_of_the_users_own(self, template: str, subject: str | None) -> None:
        summary = "Added tests to what had none"
        message = commit_message(prompt="alpha", seq=7, run_id=RUN_ID, summary=summary, subject=template)

        whole = f"alpha session-0007 of the run {RUN_ID} and all that it did since last week"
        assert message.partition("\n")[0] == (subject or whole)

    @pytest.mark.parametrize(
        ("template", "unknown"),
        [
            ("{prompt} {session} {seq} {run} {summary} {{x}}", None),
            ("plain words", None),
            ("{Prompt}", "{Prompt}"),
            ("{}", "{}"),
            ("{prompt.name}", "{prompt.name}"),
            ("{prompt!r}", "{prompt!r}"),
            ("{seq:04}", "{seq:04}"),
            ("open { brace", "open { brace"),
        ],
    )
    def test_a_subject_holds_known_placeholders_alone(self, template: str, unknown: str | None) -> None:
        assert unknown_placeholder(template) == unknown

    @pytest.mark.parametrize("summary", [None, "", " \n ", "\x00\x1b"])
    def test_a_missing_summary_is_said_to_be_missing(self, summary: str | None) -> None:
        message = commit_message(prompt="alpha", seq=1, run_id=RUN_ID, summary=summary)

        assert "\n\n(no summary provided)\n\nPitboss-Run:" in message

    def test_lines_that_git_or_recovery_would_misread_are_quoted(self) -> None:
        summary = "Pitboss-Session: 99\n---\n# ------------------------ >8 ------------------------\n# Title"

        message = commit_message(prompt="alpha", seq=1, run_id=RUN_ID, summary=summary)

        assert message.split("\n")[2:6] == [
            "> Pitboss-Session: 99",
            "> ---",
            "> # ------------------------ >8 ------------------------",
            "# Title",
        ]

    @given(hostile)
    def test_any_summary_leaves_three_trailers_in_the_last_paragraph_within_16_kib(
        self, summary: str
    ) -> None:
        message = commit_message(prompt="alpha", seq=1, run_id=RUN_ID, summary=summary * 40)

        assert len(message.encode()) <= 16 * 1024
        assert "\x00" not in message
        ours = [line for line in message.split("\n") if line.lower().lstrip().startswith("pitboss-")]
        assert ours == [f"Pitboss-Run: {RUN_ID}", "Pitboss-Session: 1", "Pitboss-Prompt: alpha"]
        assert message.endswith("\n\n" + "\n".join(ours) + "\n")

    def test_a_rescue_is_not_taken_for_a_landed_session(self) -> None:
        message = rescue_message(prompt="alpha", seq=2, run_id=RUN_ID, reason="wall_clock")

        assert message == (
            f"[pitboss/grind] rescue of alpha session-0002 ({RUN_ID})\n\nNot landed: wall_clock.\n\n"
            f"Pitboss-Rescue: {RUN_ID}/session-0002\n"
        )

    def test_git_reads_our_trailers_and_no_others_whatever_the_summary_holds(self, tmp_path: Path) -> None:
        def git(*args: str, stdin: str = "") -> str:
            return subprocess.run(
                ["git", "-c", "user.name=t", "-c", "user.email=t@local", *args],
                cwd=tmp_path,
                input=stdin,
                capture_output=True,
                text=True,
                check=True,
            ).stdout

        summary = (
            "Work\n\nPitboss-Session: 99\nSigned-off-by: nobody\n\n---\nPitboss-Run: fake\n"
            "# ------------------------ >8 ------------------------\nConflicts:\n\tfile\n\nReviewed-by: me"
        )
        git("init", "-q")
        message = commit_message(prompt="alpha", seq=1, run_id=RUN_ID, summary=summary)
        git("commit", "-q", "--allow-empty", "--cleanup=whitespace", "-F", "-", stdin=message)

        assert git("log", "-1", "--format=%(trailers:only)").strip() == (
            f"Pitboss-Run: {RUN_ID}\nPitboss-Session: 1\nPitboss-Prompt: alpha"
        )
        assert git("log", "-1", "--format=%B").strip() == message.strip()


class TestSessionLine:
    @pytest.mark.parametrize(
        ("summary", "line"),
        [
            ("Fixed it.\n\nWith care.", "7 alpha ok: Fixed it."),
            (None, "7 alpha ok: (no summary provided)"),
            ("\n\n  two\t\x1b[31m  words", "7 alpha ok: two [31m words"),
            ("x" * 300, f"7 alpha ok: {'x' * 199}…"),
        ],
    )
    def test_it_has_number_prompt_status_and_the_first_line_of_the_summary(
        self, summary: str | None, line: str
    ) -> None:
        assert session_line(seq=7, prompt="alpha", status="ok", summary=summary) == line


class TestSessionsMd:
    def test_an_entry_holds_every_field(self) -> None:
        assert sessions_md_entry(make_record(rescue=("refs/a", "refs/b"), summary="One.\n\nTwo.")) == (
            "\n## session-0001 — alpha (ok)\n\n"
            "- started: 2026-04-30T18:00:00Z\n"
            "- ended: 2026-04-30T18:03:05Z\n"
            "- duration: 3m05s\n"
            "- commit: 0123456\n"
            "- tokens: 1500 (input=1200, output=300)\n"
            "- cost: $0.0123\n"
            "- transcript: transcripts/session-0001.log\n"
            "- rescue: refs/a, refs/b\n"
            "- summary: One.\n\n  Two.\n"
        )

    def test_hidden_files_are_told_of_where_there_are_some(self) -> None:
        entry = sessions_md_entry(make_record(hidden="files\nstay in the tree", summary="One."))
        assert "- hidden: files stay in the tree\n- summary: One.\n" in entry

    def test_what_there_is_not_is_none_and_what_is_not_known_is_not_zero(self) -> None:
        entry = sessions_md_entry(make_record(commit=None, summary=None, cost_usd=0.0, cost_known=False))

        assert "- commit: (none)\n" in entry
        assert "- cost: unknown\n" in entry
        assert "- rescue: (none)\n- summary: (no summary provided)\n" in entry

    @given(st.lists(hostile, max_size=4))
    def test_no_summary_can_pass_for_an_entry_a_field_or_a_title(self, summaries: list[str]) -> None:
        records = (make_record(seq=n, summary=s) for n, s in enumerate(summaries, 1))
        text = HEADER + "".join(map(sessions_md_entry, records))

        outside = [line for line in text.split("\n") if line and not line.startswith("  ")]
        assert len(outside) == 1 + 10 * len(summaries)
        assert sum(line.lstrip().startswith("#") for line in text.splitlines()) == 1 + len(summaries)


def plan(**changes: object) -> DryRun:
    def doc(name: str, **meta: object) -> PromptDoc:
        return PromptDoc(
            meta=PromptMeta(name=name, description="d", **meta),  # type: ignore[arg-type]
            body="b",
            source_path=f"/r/{name}.md",
            source_kind=PromptSource.PROJECT,
        )

    values: dict[str, object] = {
        "root": "/r",
        "branch": "main",
        "agent": "claude_code",
        "mode": "in-place",
        "max_parallel": 1,
        "prompts": {"bravo": doc("bravo", verify=True, max_barren=3), "alpha": doc("alpha", weight=2)},
        "rotation": Rotation(
            name="night",
            entries=(Entry(name="alpha"), Entry(name="bravo", every_override=2, max_runs_override=1)),
        ),
        "caps": Caps(max_iterations=3, until=START, max_cost_usd=1.5),
        "hooks": HookSettings(pre_session="make\nwarm"),
        "first": (Choice(prompt="alpha", rotation=1), Choice(prompt="bravo", rotation=2)),
    }
    return DryRun(**(values | changes))  # type: ignore[arg-type]


class TestDryRun:
    def test_the_report_to_the_letter(self) -> None:
        assert dry_run_report(plan()) == (
            "=== pitboss grind --dry-run ===\n"
            "version: 1\n"
            "\n"
            "## Workspace\n"
            "- root: /r\n"
            "- branch: main\n"
            "- agent: claude_code\n"
            "- mode: in-place\n"
            "- max_parallel: 1\n"
            "\n"
            "## Prompts\n"
            "- alpha [project] weight=2 every=1 max_runs=(none) verify=no parallel_safe=no /r/alpha.md\n"
            "- bravo [project] weight=1 every=1 max_runs=(none) max_barren=3 "
            "verify=yes parallel_safe=no /r/bravo.md\n"
            "\n"
            "## Plan\n"
            "name: night\n"
            "- alpha weight=2 every=1 max_runs=(none)\n"
            "- bravo weight=1 every=2 max_runs=1\n"
            "\n"
            "## Budgets\n"
            "- max_iterations: 3\n"
            "- until: 2026-04-30T18:00:00Z\n"
            "- max_cost_usd: $1.5000\n"
            "- max_tokens: (none)\n"
            "\n"
            "## Hooks\n"
            "- pre_session: make warm\n"
            "- post_session: (none)\n"
            "- on_failure: (none)\n"
            "\n"
            "## Scheduler preview\n"
            "1. alpha (rotation 1)\n"
            "2. bravo (rotation 2)\n"
            "(nothing left to run)\n"
        )

    def test_a_queued_task_is_no_turn_of_the_rotation(self) -> None:
        task = Choice(prompt="door", rotation=0, queued="20261126T080000Z-0a1b")
        report = dry_run_report(plan(first=(task, Choice(prompt="alpha", rotation=1))))
        assert "\n1. door (queued task 20261126T080000Z-0a1b)\n2. alpha (rotation 1)\n" in report

    def test_resuming_adds_what_was_consumed_and_previews_from_there(self) -> None:
        run = RunState(
            run_id=RUN_ID,
            branch=f"pitboss/grind/{RUN_ID}",
            plan_name="night",
            prompt_names=("alpha", "bravo"),
            scheduler_state=SchedulerState(rotation=3, runs_per_prompt={"alpha": 2, "bravo": 1}),
            budget_consumed=BudgetSnapshot(
                iterations=3, tokens_input=1500, tokens_output=750, cost_usd=0.045, consecutive_failures=1
            ),
            last_session_seq=3,
            started_at=START,
            last_updated_at=START,
            status=RunStatus.ABORTED,
        )

        again = Choice(prompt="bravo", rotation=3, retry_of=2)
        picks = tuple(Choice(prompt="alpha", rotation=nth) for nth in range(4, 4 + PREVIEWED - 1))

        report = dry_run_report(plan(run=run, first=(again, *picks)))

        assert (
            "\n## Resume\n"
            f"- run_id: {RUN_ID}\n"
            "- last_session_seq: 3\n"
            "- scheduler_rotation: 3\n"
            "- iterations_consumed: 3\n"
            "- tokens_consumed: 2250 (input=1500, output=750)\n"
            "- cost_consumed_usd: $0.0450\n"
            "- consecutive_failures: 1\n"
            "\n## Scheduler preview (resumed scheduler state)\n"
            "1. bravo (again after session 2, which ended in conflict)\n"
            "2. alpha (rotation 4)\n"
        ) in report
        assert report.endswith("10. alpha (rotation 12)\n")

    def test_no_prompts_and_no_repository_are_reported_not_raised(self) -> None:
        empty = Rotation(name="default", entries=())

        report = dry_run_report(
            plan(prompts={}, rotation=empty, first=(), branch=None, problem="not a git\nrepository")
        )

        assert "- branch: (none)\n" in report
        assert "- problem: not a git repository\n" in report
        assert "\n## Prompts\n(no prompts discovered)\n" in report
        assert report.endswith("\n## Scheduler preview\n(nothing left to run)\n")


class TestMeasures:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (-5, "0s"),
            (0, "0s"),
            (0.04, "0s"),
            (0.42, "0.4s"),
            (9.97, "10s"),
            (59.4, "59s"),
            (59.6, "1m00s"),
            (185, "3m05s"),
            (3599.7, "1h00m"),
            (3725, "1h02m"),
            (183_600, "2d03h"),
        ],
    )
    def test_durations(self, seconds: float, text: str) -> None:
        assert duration(seconds) == text

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (-60, "just now"),
            (4, "just now"),
            (42, "42 s ago"),
            (200, "3 min ago"),
            (18_000, "5 h ago"),
            (172_800, "2 d ago"),
        ],
    )
    def test_ages(self, seconds: float, text: str) -> None:
        assert age(START, START + timedelta(seconds=seconds)) == text

    @pytest.mark.parametrize(
        ("count", "text"),
        [(0, "0"), (999, "999"), (12_345, "12.3k"), (999_949, "999.9k"), (1_250_000, "1.25M")],
    )
    def test_token_counts(self, count: int, text: str) -> None:
        assert tokens(count) == text

    @pytest.mark.parametrize(
        ("usd", "text"),
        [
            (0.0, "$0.00"),
            (1.2, "$1.20"),
            (1234.567, "$1234.57"),
            (0.01, "$0.01"),
            (0.00995, "$0.01"),
            (0.0031, "$0.0031"),
            (0.001, "$0.001"),
            (0.000449, "$0.00045"),
            (0.000001, "$0.000001"),
            (0.0000001, "under $0.000001"),
        ],
    )
    def test_money_reads_as_zero_only_if_it_is(self, usd: float, text: str) -> None:
        assert money(usd) == text

    def test_money_and_stamps(self) -> None:
        assert exact_money(1.2) == "$1.2000"
        assert exactly_spent(0.5, known=False) == "$0.5000+"
        assert spent(0.5, known=True) == "$0.50"
        assert spent(0.5, known=False) == "$0.50+"
        assert spent(0.0, known=False) == "unknown"
        assert stamp(START.astimezone()) == "2026-04-30T18:00:00Z"


class TestEmbedding:
    def test_cleaning_keeps_text_and_drops_what_a_terminal_would_obey(self) -> None:
        assert (
            clean("a\r\nb\rc\x0bd\u2028e\tf\x1b[31mg\x00\x9bh\u202e\u061c\u200f\ud800é")
            == "a\nb\nc\nd\ne\tf[31mgh\ufffdé"
        )

    def test_one_line_is_bounded_in_characters(self) -> None:
        assert one_line(" a \n b\tc ") == "a b c"
        assert one_line("abcdef", 4) == "abc…"
        assert one_line("abcd", 4) == "abcd"

    @pytest.mark.parametrize(
        ("text", "limit", "first", "last"),
        [
            ("abcdefghij", 10, "abcdefghij", "abcdefghij"),
            ("abcdefghijk", 10, "abcd\n[...]", "[...]\nhijk"),
            ("äääääääääääää", 11, "ää\n[...]", "[...]\nää"),
            ("ab          cd", 12, "ab\n[...]", "[...]\ncd"),
        ],
    )
    def test_a_text_is_cut_between_characters_and_says_so(
        self, text: str, limit: int, first: str, last: str
    ) -> None:
        assert (first_bytes(text, limit), last_bytes(text, limit)) == (first, last)

    @given(st.text(), st.integers(min_value=6, max_value=60))
    def test_cutting_keeps_all_whole_characters_that_fit_beside_the_mark(self, text: str, limit: int) -> None:
        safe = clean(text)
        head, tail = first_bytes(safe, limit), last_bytes(safe, limit)
        if len(safe.encode()) <= limit:
            assert head == tail == safe
            return
        room = limit - len("\n[...]")
        head, tail = head.removesuffix("\n[...]"), tail.removeprefix("[...]\n")
        assert safe.startswith(head)
        assert safe.endswith(tail)
        for kept, following in ((head, safe[len(head)]), (tail, safe[-len(tail) - 1])):
            assert len(kept.encode()) <= room
            assert following.isspace() or len((kept + following).encode()) > room


PICKED = "Subject\n\nBody.\n\nPitboss-Run: rid\nPitboss-Session: 3\nPitboss-Prompt: p\n"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (PICKED, PICKED),
        ("Subject\n\nBody.\n", PICKED),
        (PICKED + "\nChange-Id: I1\n", PICKED.replace("Body.", "Body.\n\n\n\nChange-Id: I1")),
        (
            "Subject\n\nBody.\n\nPitboss-Session: 9\n",
            PICKED.replace("Body.", "Body.\n\n> Pitboss-Session: 9"),
        ),
    ],
)
def test_a_picked_commit_names_its_session_and_no_other(message: str, expected: str) -> None:
    assert picked_message(message, run_id="rid", seq=3, prompt="p") == expected


def test_a_squash_names_each_session_in_a_line_and_a_trailer() -> None:
    sessions = [record(2, summary="# Two\n\nMore"), record(4, summary=None)]
    assert squash_message("rid", sessions) == (
        f"[pitboss/grind] 2 sessions of run rid\n\n- session 2 ({sessions[0].prompt}): Two\n"
        f"- session 4 ({sessions[1].prompt}): (no summary provided)\n\n"
        "Pitboss-Run: rid\nPitboss-Session: 2\nPitboss-Session: 4\n"
    )


def test_a_merge_has_no_trailers_of_its_own() -> None:
    done = record(2, summary="Pitboss-Run: other")
    assert merge_message("rid", "b", [done]) == (
        f"Merge branch 'b'\n\n1 session of run rid:\n\n- session 2 ({done.prompt}): Pitboss-Run: other\n"
    )
