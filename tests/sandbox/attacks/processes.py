"""Other processes: seeing, signalling, tracing and outliving them."""

from __future__ import annotations

from tests.sandbox.attack import Attack, Judged

_NOT_THERE = "a process outside has no number in the session's pid namespace"
_GONE = "all processes of the pid namespace die with its first"
_ALIVE = "pgrep -f $MARK-{0} >/dev/null"
_START = (
    "setsid bash -c 'exec -a $0 sleep 600' $MARK-{0} >/dev/null 2>&1 & "
    "until pgrep -f $MARK-{0} >/dev/null; do sleep 0.01; done"
)
"""Outside, and until it is there: on a busy machine a process that was forked takes its time to become another."""

_END = "pkill -KILL -f $MARK-{0}"

ATTACKS = {
    "list": Attack(
        "see the runner in /proc",
        'for pid in $VICTIMS; do tr "\\0" " " </proc/$pid/cmdline | grep -q grind && echo HARM; done',
        why=_NOT_THERE,
    ),
    "signal": Attack(
        "signal the runner and the sessions beside it",
        "for pid in $VICTIMS; do kill -CONT $pid && echo HARM; done",
        why=_NOT_THERE,
    ),
    "trace": Attack(
        "attach to the runner with ptrace",
        "$PYTHON $TOOLS/trace.py $VICTIMS",
        possible="[ $(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0) = 0 ]",
        why=_NOT_THERE,
    ),
    "memory": Attack(
        "read the runner's memory and its open files through /proc",
        "for pid in $VICTIMS; do ls /proc/$pid/fd/ && cat /proc/$pid/maps && echo HARM; done",
        why=_NOT_THERE,
    ),
    "root-of-another": Attack(
        "reach the files outside through /proc/PID/root",
        "for pid in 1 $PPID $VICTIMS; do cat /proc/$pid/root$HOME/.ssh/id_ed25519; done",
        why="every process that it sees is in the sandbox too",
    ),
    "priority": Attack(
        "change the runner's priority",
        "for pid in $VICTIMS; do renice -n 5 -p $pid && echo HARM; done",
        why=_NOT_THERE,
    ),
    "daemon": Attack(
        "leave a daemon behind, in a session of its own, without the session's environment",
        "env -i setsid sh -c 'trap \"\" TERM HUP; exec -a $0 sleep 600' $MARK-daemon >/dev/null 2>&1 &",
        harm=_ALIVE.format("daemon"),
        judged=Judged.AFTERWARDS,
        undo=_END.format("daemon"),
        fault=_START.format("daemon"),
        why=_GONE,
    ),
    "crowd": Attack(
        "leave a crowd of processes behind that ignore signals, each forked twice",
        "for _ in $(seq 200); do (env -i setsid bash -c 'trap \"\" TERM HUP INT; exec -a $0 sleep 600' "
        "$MARK-crowd >/dev/null 2>&1 &); done",
        harm=_ALIVE.format("crowd"),
        judged=Judged.AFTERWARDS,
        undo=_END.format("crowd"),
        fault=_START.format("crowd"),
        why=_GONE,
    ),
    "container-in-container": Attack(
        "leave a daemon behind in a pid namespace of its own",
        "unshare -Urpf bash -c 'exec -a $0 sleep 600' $MARK-nested >/dev/null 2>&1 &",
        harm=_ALIVE.format("nested"),
        judged=Judged.AFTERWARDS,
        undo=_END.format("nested"),
        fault=_START.format("nested"),
        why=_GONE,
    ),
    "bomb": Attack(
        "take processes without end, as a fork bomb does",
        "for _ in $(seq 100); do sleep 300 & done; [ $(jobs -rp | wc -l) = 100 ] && echo HARM; kill $(jobs -p)",
        stopped=False,
        why="nothing counts them, though all end with the session; `TasksMax` of a systemd unit does",
    ),
}
