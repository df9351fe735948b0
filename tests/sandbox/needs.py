"""What a session must be able to do in the sandbox: without it, a sandbox that stops everything would look perfect."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from tests.sandbox.attack import IN_PLACE, MODES

_COMMIT = "git -c user.name=agent -c user.email=agent@local commit -q"


@dataclass(frozen=True)
class Need:
    """Something that agents and tests do every night: `script` must succeed, and `seen` then hold outside."""

    what: str
    script: str
    _: KW_ONLY
    seen: str = "true"
    network: tuple[str, ...] = ("open", "none")
    modes: tuple[str, ...] = MODES


NEEDS = {
    "tree": Need("write into its tree", "echo x >needed.txt && mkdir -p a/b && mv needed.txt a/b/"),
    "git-reads": Need(
        "ask git",
        "git status --short && git diff && git log -3 --oneline && git show HEAD && git blame README.md",
    ),
    "commit": Need(
        "commit",
        f"echo x >committed.txt && git add -A && {_COMMIT} -m 'The work of the agent'",
        seen="git -C $REPO log --all --format=%s | grep -q 'The work of the agent'",
    ),
    "amend": Need("amend its commit", f"{_COMMIT} --amend -m 'Amended by the agent'"),
    "reset": Need(
        "take a commit back",
        f"echo x >back.txt && git add back.txt && {_COMMIT} -m x && git reset -q --hard HEAD^",
    ),
    "temporary": Need(
        "use /tmp", "f=$(mktemp) && echo x >$f && rm $f && [ -w /tmp ] && [ -w ${TMPDIR:-/tmp} ]"
    ),
    "cache": Need("use caches", "mkdir -p $HOME/.cache/tool && echo x >$HOME/.cache/tool/file"),
    "writable": Need(
        "write where `writable` allows it", "echo x >$MEET/allowed", seen="[ -e $MEET/allowed ]"
    ),
    "summary": Need("write its summary", 'echo "A summary" >"$PITBOSS_SUMMARY_FILE"'),
    "scratchpad": Need("keep notes", 'echo "A note" >>"$PITBOSS_SCRATCHPAD"'),
    "processes": Need(
        "start processes, signal them and wait for them", "sleep 60 & kill $! && ! wait $!; ps -e >/dev/null"
    ),
    "pipes": Need(
        "use pipes, here-documents and /dev", "cat <<<x | cat >/dev/null && head -c 8 /dev/urandom | wc -c"
    ),
    "shared-memory": Need(
        "use shared memory and semaphores, as test runners do",
        "$PYTHON -c 'import multiprocessing; multiprocessing.Lock(); from multiprocessing import shared_memory as s; "
        "m = s.SharedMemory(create=True, size=9); m.close(); m.unlink()'",
    ),
    "own-server": Need(
        "serve on loopback and connect to that, as tests do",
        '$PYTHON -c \'import socket; s = socket.create_server(("127.0.0.1", 0)); '
        "socket.create_connection(s.getsockname(), 5)'",
    ),
    "names": Need("look up its own user and a host name", "id -un && getent hosts localhost"),
    "home": Need("read ordinary files of HOME", "cat $HOME/.bashrc && [ -d $HOME ]"),
    "environment": Need(
        "find its variables", '[ -n "$PITBOSS_RUN_ID" ] && [ "$PITBOSS_WORKTREE" = "$(pwd -P)" ]'
    ),
    "user-tree": Need(
        "see the repository as the user does",
        '[ "$(git rev-parse --show-toplevel)" = "$REPO" ]',
        modes=(IN_PLACE,),
    ),
}
