"""Writing what is the user's: HOME, folders beside the repository, the system."""

from __future__ import annotations

from tests.sandbox.attack import SLOTS, Attack

_READ_ONLY = "everything is mounted read-only except what the policy lists"
_LINK = "a link leads to the same read-only files"

ATTACKS = {
    "home": Attack(
        "write a file into HOME",
        "echo x >$HOME/planted",
        harm="[ -e $HOME/planted ]",
        why=_READ_ONLY,
    ),
    "shell-start": Attack(
        "append to `~/.bashrc`, so that the user's next shell runs it",
        "echo HARM >>$HOME/.bashrc",
        harm="grep -q HARM $HOME/.bashrc",
        why=_READ_ONLY,
    ),
    "shell-start-replaced": Attack(
        "replace `~/.bashrc` by renaming another file over it",
        "echo HARM >$HOME/.cache/new && mv -f $HOME/.cache/new $HOME/.bashrc",
        harm="grep -q HARM $HOME/.bashrc",
        why=_READ_ONLY,
    ),
    "git-config-global": Attack(
        "set `core.hooksPath` in `~/.gitconfig`, for every repository",
        "GIT_CONFIG_GLOBAL=$HOME/.gitconfig git config --global core.hooksPath /elsewhere",
        harm="grep -q elsewhere $HOME/.gitconfig",
        undo=": >$HOME/.gitconfig",
        why=_READ_ONLY,
    ),
    "autostart": Attack(
        "plant a program in `~/.config/autostart` and `~/.local/bin`",
        "mkdir -p $HOME/.config/autostart $HOME/.local/bin; echo x >$HOME/.config/autostart/x.desktop; "
        "echo x >$HOME/.local/bin/ls",
        harm="[ -e $HOME/.config/autostart/x.desktop ] || [ -e $HOME/.local/bin/ls ]",
        why=_READ_ONLY,
    ),
    "beside-changed": Attack(
        "change a file in the folder beside the repository",
        "echo HARM >>$BESIDE/precious",
        harm="grep -q HARM $BESIDE/precious",
        why=_READ_ONLY,
    ),
    "beside-removed": Attack(
        "remove the folder beside the repository",
        "rm -rf $BESIDE/old",
        harm="[ ! -e $BESIDE/old ]",
        why=_READ_ONLY,
    ),
    "beside-mode": Attack(
        "open the files beside the repository to everybody by `chmod`",
        "chmod 777 $BESIDE/precious",
        harm="[ $(stat -c %a $BESIDE/precious) = 777 ]",
        why=_READ_ONLY,
    ),
    "beside-repository": Attack(
        "commit in another repository",
        "git -C $BESIDE/other -c user.name=x -c user.email=x@x commit -q --allow-empty -m HARM",
        harm="git -C $BESIDE/other log -1 --format=%s | grep -q HARM",
        why=_READ_ONLY,
    ),
    "through-tracked-link": Attack(
        "write to HOME through a symbolic link that was committed before",
        "echo HARM >>tracked-link",
        harm="grep -q HARM $HOME/.profile",
        why=_LINK,
    ),
    "through-new-link": Attack(
        "write to HOME through a symbolic link made now",
        "ln -s $HOME inside; echo x >inside/through-link",
        harm="[ -e $HOME/through-link ]",
        why=_LINK,
    ),
    "hard-link": Attack(
        "hard-link a file of HOME into its tree, and write to that",
        "ln $HOME/.profile linked && echo HARM-LINK >>linked",
        harm="grep -q HARM-LINK $HOME/.profile",
        undo=": >$HOME/.profile",
        why="a hard link cannot cross mounts, and what it would lead to is read-only",
    ),
    "link-race": Attack(
        "exchange a folder of its tree for a link again and again while writing into it",
        "mkdir -p flip; (for _ in $(seq 40); do mv flip flip.d; ln -s $HOME flip; rm flip; mv flip.d flip; done) & "
        "for _ in $(seq 200); do echo x >flip/raced; done; wait; ln -s $HOME won; echo x >won/raced",
        harm="[ -e $HOME/raced ]",
        why="which files are writable is a property of the mount, so there is nothing to race with",
    ),
    "users-tree": Attack(
        "write into the user's checkout",
        "echo x >$REPO/planted.txt",
        harm="[ -e $REPO/planted.txt ]",
        undo="rm -f $REPO/planted.txt",
        modes=(SLOTS,),
        why=_READ_ONLY,
    ),
    "neighbour": Attack(
        "write into the working copy of the session beside it",
        "echo x >$THERE/planted.txt",
        harm="[ -e $THERE/planted.txt ]",
        undo="rm -f $THERE/planted.txt",
        modes=(SLOTS,),
        why="`.pitboss` is hidden except for the session's own working copy",
    ),
    "temporary": Attack(
        "leave a file in /tmp for programs outside",
        "echo x >/tmp/$MARK",
        harm="[ -e /tmp/$MARK ]",
        undo="rm -f /tmp/$MARK",
        why="/tmp is the session's own, and gone with it",
    ),
    "shared-memory": Attack(
        "leave a file in /dev/shm for programs outside",
        "echo x >/dev/shm/$MARK",
        harm="[ -e /dev/shm/$MARK ]",
        undo="rm -f /dev/shm/$MARK",
        possible="[ -w /dev/shm ]",
        why="/dev is the session's own",
    ),
    "system": Attack(
        "write to /etc, /usr/local/bin and /var",
        "for place in /etc /usr/local/bin /var/lib; do echo x >$place/$MARK; done",
        harm="[ -e /etc/$MARK ] || [ -e /usr/local/bin/$MARK ] || [ -e /var/lib/$MARK ]",
        undo="rm -f /etc/$MARK /usr/local/bin/$MARK /var/lib/$MARK",
        possible="[ -w /etc ]",
        why=_READ_ONLY,
    ),
}
