"""What must hold after a hostile act, whatever it was (SPEC 1.1, 1.2, 1.6, 1.8)."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

from tests.hostile.act import WORKTREE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hostile.trial import Trial

BRANCHES = "refs/heads"
KEPT_BY_RUNS = ("nested", "set-aside", "worktrees")
RUNS_OWN = ("refs/heads/pitboss/grind", "refs/pitboss")


def complaints(trial: Trial) -> list[str]:
    """Everything that is not as it must be after a trial; empty when all is well."""
    return [
        *_changed_outside(trial),
        *_lost(trial),
        *_did_not_go_on(trial),
        *_wrong_records(trial),
        *_not_as_expected(trial),
    ]


def facts(trial: Trial) -> dict[str, object]:
    """What is the user's, by name: nothing of it may change.

    `home`, `beside`: every file there; `config`, `hooks`: git's, byte for byte; `branches`, `stash`: where they
    are; `head`, `index`, `tree`: the user's checkout, where sessions work elsewhere.
    """
    root = trial.project.root
    found: dict[str, object] = {
        "home": _files(trial.project.env["HOME"]),
        "beside": _files(trial.beside),
        "config": _bytes(root / ".git/config"),
        "hooks": _files(root / ".git/hooks"),
        "branches": _refs(trial, BRANCHES),
        "stash": _git(trial, "log", "-g", "--format=%H", "refs/stash", "--"),
    }
    if trial.mode == WORKTREE:
        found["head"] = _bytes(root / ".git/HEAD")
        found["index"] = _git(trial, "ls-files", "--stage")
        found["tree"] = _files(root, without=(".git", ".pitboss"))
    return found


def _changed_outside(trial: Trial) -> Iterator[str]:
    for name, was in trial.before.items():
        now = trial.after[name]
        if name not in trial.act.touches and now != was:
            yield f"{name} was changed: {_difference(was, now)}"


def _difference(was: object, now: object) -> str:
    if not (isinstance(was, dict) and isinstance(now, dict)):
        return f"{was!r} is now {now!r}"
    unlike = sorted(path for path in was.keys() | now.keys() if was.get(path) != now.get(path))
    return ", ".join(
        f"{path} {was.get(path, b'')[:200]!r} is now {now.get(path, b'')[:200]!r}" for path in unlike
    )


def _lost(trial: Trial) -> Iterator[str]:
    """Every file ever written is in a commit of the run branch or of a rescue ref, or still on the disk."""
    own = {
        "act": "the work of the act\n",
        "neighbour": "the work of the neighbour\n",
        "later": "later work\n",
    }
    wanted = [text for prompt, text in own.items() if prompt in trial.starts] + list(trial.act.keeps)
    kept = _committed(trial)
    for text in wanted:
        if text.encode() not in kept and not _on_disk(trial, text.encode()):
            yield f"lost: {text!r}"


def _did_not_go_on(trial: Trial) -> Iterator[str]:
    if trial.done.code not in trial.act.codes:
        yield f"exit code {trial.done.code}: {trial.done.err}"
    if "internal error" in trial.done.err or "Traceback" in trial.done.err:
        yield f"a bug: {trial.done.err}"
    if not trial.act.goes_on:
        return
    if "later" not in trial.starts:
        yield f"the next session never ran: {trial.done.err}"
    if trial.run.ending()[0] != "completed":
        yield f"the run ended as {trial.run.ending()}"
    for record in trial.run.records:
        if record["prompt"] != "act" and record["status"] != "ok":
            yield f"{record['prompt']} suffered: {record['status']} {record.get('reason')}"


def _wrong_records(trial: Trial) -> Iterator[str]:
    records = trial.run.records
    if sorted(record["seq"] for record in records) != list(range(1, len(records) + 1)):
        yield f"numbers: {[record['seq'] for record in records]}"
    if sorted(record["prompt"] for record in records) != sorted(trial.starts):
        yield f"started {trial.starts}, recorded {[record['prompt'] for record in records]}"
    if in_flight := trial.run.state.get("in_flight"):
        yield f"still in flight: {in_flight}"


def _not_as_expected(trial: Trial) -> Iterator[str]:
    if trial.act.told not in trial.done.err:
        yield f"never said {trial.act.told!r}: {trial.done.err}"
    ended = [f"{r['status']}: {r.get('reason') or ''}" for r in trial.run.records if r["prompt"] == "act"]
    if trial.act.ends and not all(end.startswith(trial.act.ends) for end in ended):
        yield f"ended as {ended}, not as {trial.act.ends}"


# What is there


def _committed(trial: Trial) -> bytes:
    """The contents of all that the run branch and the rescue refs hold."""
    refs = _git(trial, "for-each-ref", "--format=%(objectname)", *RUNS_OWN)
    objects = _git(trial, "rev-list", "--objects", "--no-object-names", "--stdin", stdin=refs)
    return _git(trial, "cat-file", "--batch", stdin=objects)


def _on_disk(trial: Trial, text: bytes) -> bool:
    """Whether a file holds it: in the tree, or in what a run keeps of trees."""
    kept = (trial.run.folder / name for name in KEPT_BY_RUNS)
    places = [_files(trial.project.root, without=(".git", ".pitboss")), *map(_files, kept)]
    return any(text in content for files in places for content in files.values())


def _refs(trial: Trial, under: str) -> list[str]:
    refs = _git(trial, "for-each-ref", "--format=%(refname) %(objectname)", under).decode().splitlines()
    return [ref for ref in refs if not ref.startswith(RUNS_OWN)]


def _git(trial: Trial, *args: str, stdin: bytes = b"") -> bytes:
    """What git prints, whose settings an act may have left as it likes."""
    git_dir = trial.project.root / ".git"
    argv = (
        "git",
        f"--git-dir={git_dir}",
        f"--work-tree={trial.project.root}",
        "-c",
        "core.bare=false",
        *args,
    )
    as_stored = {"GIT_NO_REPLACE_OBJECTS": "1"}
    done = subprocess.run(
        argv,
        cwd=trial.folder,
        env=trial.project.env | as_stored,
        input=stdin,
        capture_output=True,
        check=False,
    )
    return done.stdout


def _files(folder: Path | str, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Everything in a folder by path, each with its kind and content; links are not followed."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in without]
        for name in (*folders, *(name for name in files if name not in without)):
            path = os.path.join(place, name)  # noqa: PTH118 - many of them
            found[os.path.relpath(path, folder)] = _content(path)
    return found


def _content(path: str) -> bytes:
    mode = os.lstat(path).st_mode
    kind = oct(stat.S_IFMT(mode)).encode()
    if stat.S_ISLNK(mode):
        return kind + os.fsencode(os.readlink(path))  # noqa: PTH115
    return kind + (_bytes(path) if stat.S_ISREG(mode) else b"")


def _bytes(path: Path | str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        return str(error).encode()
