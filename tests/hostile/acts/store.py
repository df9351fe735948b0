"""Acts against the run's own files: links, pipes, second names and folders in place of them (SPEC 1.6)."""

from __future__ import annotations

from tests.hostile.act import AGENT, IN_PLACE, Act

_FILES = (
    *(
        "state.json",
        "state.json.tmp",
        "sessions.md",
        "scratchpad.md",
        "ended",
        "transcripts/session-000$next.log",
    ),
    *("transcripts/session-000$next.hooks.log", "transcripts/session-000$next.scratchpad.md"),
)
MADE_AGAIN = "was removed; it has been recreated"
_HOOKS = '[grind.hooks]\npre_session = "echo hook"\npost_session = "echo hook"'
_PLANTS = {
    "links": 'ln -s "$BESIDE/precious" "$RUN/$file"',
    "second-names": 'ln "$BESIDE/precious" "$RUN/$file"',
    "pipes": 'mkfifo "$RUN/$file"',
    "folders": 'mkdir "$RUN/$file"',
}


def _everywhere(plant: str) -> Act:
    """Something in place of every file of the run that pitboss writes, those of the next session included."""
    each = f'rm -rf "$RUN/$file"; {plant} || true'  # the run may have been quicker
    names = " ".join(_FILES)
    return Act(
        f"next=$((PITBOSS_SESSION_SEQ + 1))\nfor file in {names}; do {each}; done",
        more=_HOOKS,
        told="" if plant == _PLANTS["second-names"] else "was replaced by something else, which is kept as",
    )


def _gone(remove: str) -> Act:
    """The run directory removed, even if the run writes into it at that moment."""
    return Act(f"until {remove}; do :; done", told=MADE_AGAIN, modes=(IN_PLACE,))


ACTS = {f"puts-{kind}-in-place-of-files": _everywhere(plant) for kind, plant in _PLANTS.items()} | {
    "gives-a-key-as-its-summary": Act('ln -s "$BESIDE/precious" "$PITBOSS_SUMMARY_FILE"'),
    "gives-a-key-by-a-second-name-as-its-summary": Act('ln "$BESIDE/precious" "$PITBOSS_SUMMARY_FILE"'),
    "links-control-elsewhere": Act(
        'mkdir "$BESIDE/../requests"; touch "$BESIDE/../requests/drain"; rm -r "$RUN/control"; '
        'ln -s "$BESIDE/../requests" "$RUN/control"'
    ),
    "links-transcripts-elsewhere": Act(
        'mv "$RUN/transcripts" "$SCRATCH/t"; ln -s "$BESIDE" "$RUN/transcripts"'
    ),
    "deletes-the-lock": Act('rm -f "$REPO/.pitboss/grind/lock"'),
    "removes-both-locks": Act('rm -rf "$REPO/.pitboss/grind/lock" "$REPO/.git/pitboss"'),
    "links-the-lock-elsewhere": Act(
        'rm -f "$REPO/.pitboss/grind/lock"; ln -s "$BESIDE/precious" "$REPO/.pitboss/grind/lock"'
    ),
    "cleans-away-all-that-git-ignores": _gone("git clean -fdxq -e act.txt"),
    "cleans-away-all-that-git-ignores-and-fails": Act(
        "git clean -fdxq -e act.txt; exit 1", modes=(IN_PLACE,)
    ),
    "stashes-all-that-git-ignores-too": Act(f"{AGENT} stash -qa", modes=(IN_PLACE,), touches=("stash",)),
    "removes-pitboss": _gone('rm -rf "$REPO/.pitboss"'),
    "removes-pitboss-and-its-copy": _gone('rm -rf "$REPO/.pitboss" "$REPO/.git/pitboss"'),
    "moves-pitboss-away": Act('mv "$REPO/.pitboss" "$SCRATCH/moved"', told=MADE_AGAIN, modes=(IN_PLACE,)),
    "removes-its-runs": _gone('rm -rf "$REPO/.pitboss/grind/runs"'),
    "removes-its-run": _gone('rm -rf "$RUN"'),
    "links-pitboss-elsewhere": Act(
        'mv "$REPO/.pitboss" "$SCRATCH/moved"; ln -s "$BESIDE" "$REPO/.pitboss"',
        told=MADE_AGAIN,
        modes=(IN_PLACE,),
    ),
    "links-its-runs-elsewhere": Act(
        'mv "$REPO/.pitboss/grind/runs" "$SCRATCH/moved"; ln -s "$BESIDE" "$REPO/.pitboss/grind/runs"',
        told=MADE_AGAIN,
        modes=(IN_PLACE,),
    ),
    "links-its-run-elsewhere": Act(
        'mv "$RUN" "$SCRATCH/moved"; ln -s "$BESIDE" "$RUN"', told=MADE_AGAIN, modes=(IN_PLACE,)
    ),
    "links-the-copy-elsewhere": Act(
        'rm -rf "$REPO/.git/pitboss"; ln -s "$BESIDE" "$REPO/.git/pitboss"; rm -rf "$RUN"', modes=(IN_PLACE,)
    ),
    "spoils-its-records": Act(
        'echo garbage >"$RUN/sessions.jsonl"; echo garbage >"$RUN/state.json"; echo more >>"$RUN/sessions.md"'
    ),
    "removes-its-records": Act('rm -f "$RUN"/*.json* "$RUN"/*.md'),
    "takes-all-modes-away": Act('chmod 000 "$RUN"/* "$RUN"'),
}
