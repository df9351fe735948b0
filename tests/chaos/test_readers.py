"""Whatever the bytes of a file, its reader answers or fails with an error of ours: no crash, no hang."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pitboss.core.prompt import PromptDoc, PromptMeta, PromptSource
from pitboss.core.recovery.refusals import StateUnreadable
from pitboss.errors import InputError, PitbossError
from pitboss.store.catalogue import list_runs, read_state
from pitboss.store.config import load_config
from pitboss.store.follow import LogFollower, snapshot
from pitboss.store.library import Library, discover_prompts, load_rotation
from pitboss.store.lock import LockInfo, lock_holder
from pitboss.store.log import last_records, scan_log
from pitboss.store.paths import RunPaths, config_path, lock_path, prompts_dir, rotations_dir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUN_ID = "20260430T170000Z-a1b2"
SOUND = {
    "state": b'{"run_id": "r", "branch": "b", "status": "active", "last_session_seq": 3}',
    "record": b'{"seq": 1, "run_id": "r", "status": "ok"}\n',
    "prompt": b"---\nname: alpha\ndescription: one line\nweight: 2\n---\nbody\n",
    "rotation": b'prompts = [{name = "alpha", weight_override = 2}]\n[budgets]\nmax_tokens = 5\n',
    "config": b'[agent]\nbackend = "shell"\n[grind]\nmax_parallel = 2\nhooks = {pre_session = "true"}\n',
    "lock": b'{"pid": 1, "started": "2026-04-30T17:00:00Z", "host": "h", "run_id": "r"}\n',
}


def bytes_like(sound: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, and a sound file with a piece cut out and another put in."""
    spot = st.integers(0, len(sound))
    damaged = st.builds(
        lambda at, cut, junk: sound[:at] + junk + sound[at + cut :],
        spot,
        st.integers(0, 20),
        st.binary(max_size=8),
    )
    return st.binary(max_size=200) | damaged


def hostile(kind: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Feed a test with files of that kind, sound to hopeless."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        given_bytes = given(data=bytes_like(SOUND[kind]))
        return settings(max_examples=150)(
            example(data=b"\0" * 600)(example(data=SOUND[kind])(given_bytes(test)))
        )

    return decorate


Complaint = TypeVar("Complaint", bound=PitbossError)


def complaint(read: Callable[[], object], kind: type[Complaint]) -> Complaint | None:
    """The one kind of error that reading may end with; any other goes on."""
    try:
        read()
    except kind as said:
        return said
    return None


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repo")
    for folder in (prompts_dir(root), rotations_dir(root), RunPaths(root, RUN_ID).root):
        folder.mkdir(parents=True)
    return root


@hostile("state")
def test_a_state_is_read_or_called_unreadable_and_the_run_is_listed_all_the_same(
    repo: Path, data: bytes
) -> None:
    run = RunPaths(repo, RUN_ID)
    run.state.write_bytes(data)
    said = complaint(lambda: read_state(run), StateUnreadable)
    assert said is None or str(run.state) in said.message
    (listed,) = list_runs(repo)
    assert (listed.run_id, listed.state is None) == (RUN_ID, listed.problem is not None)


@hostile("record")
def test_a_log_is_scanned_to_its_end_and_observers_agree_about_its_records(repo: Path, data: bytes) -> None:
    log = RunPaths(repo, RUN_ID).log
    log.write_bytes(data)
    scan = scan_log(log, RUN_ID)
    assert scan.size == len(data)
    assert last_records(log, 1000) == list(LogFollower(log).new_records())
    assert len(scan.tail) <= len(last_records(log, 1000))


@hostile("record")
def test_a_run_with_any_log_can_be_looked_at(repo: Path, data: bytes) -> None:
    RunPaths(repo, RUN_ID).log.write_bytes(data)
    assert snapshot(repo, RUN_ID).run_id == RUN_ID


@hostile("prompt")
def test_a_prompt_is_read_or_named_as_a_problem(repo: Path, data: bytes) -> None:
    path = prompts_dir(repo) / "alpha.md"
    path.write_bytes(data)
    library = discover_prompts(repo, None, repo / "home")
    assert len(library.prompts) + len(library.problems) >= 1
    assert {problem.file for problem in library.problems} <= {str(path)}


@hostile("rotation")
def test_a_rotation_is_read_or_its_problems_are_named(repo: Path, data: bytes) -> None:
    path = rotations_dir(repo) / "nightly.toml"
    path.write_bytes(data)
    alpha = PromptDoc(
        meta=PromptMeta(name="alpha", description="d"),
        body="",
        source_path="alpha.md",
        source_kind=PromptSource.PROJECT,
    )
    library = Library(prompts={"alpha": alpha}, problems=(), shadowed=())
    wrong = complaint(lambda: load_rotation(repo, "nightly", library), InputError)
    assert wrong is None or {problem.file for problem in wrong.problems} == {str(path)}


@hostile("config")
def test_a_config_is_read_or_its_problems_are_named(repo: Path, data: bytes) -> None:
    config_path(repo).write_bytes(data)
    wrong = complaint(lambda: load_config(repo), InputError)
    assert wrong is None or {problem.file for problem in wrong.problems} == {str(config_path(repo))}


@hostile("lock")
def test_a_held_lock_is_held_whatever_its_file_says(repo: Path, data: bytes) -> None:
    path = lock_path(repo)
    path.write_bytes(data)
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert isinstance(lock_holder(path), LockInfo)
