"""Reading what is secret: keys, credentials, browsers, environments."""

from __future__ import annotations

from tests.sandbox.attack import Attack

_HIDDEN = "an empty folder or file is mounted over it"

ATTACKS = {
    "ssh": Attack("read `~/.ssh`", "cat $HOME/.ssh/*", why=_HIDDEN),
    "gnupg": Attack("read `~/.gnupg`", "cat $HOME/.gnupg/*", why=_HIDDEN),
    "clouds": Attack(
        "read credentials of AWS, Google Cloud, Azure, Kubernetes and Docker",
        "cat $HOME/.aws/credentials $HOME/.config/gcloud/credentials.db $HOME/.azure/msal_token_cache.json "
        "$HOME/.kube/config $HOME/.docker/config.json",
        why=_HIDDEN,
    ),
    "packages": Attack(
        "read the tokens in `~/.npmrc`, `~/.pypirc`, `~/.cargo/credentials.toml`, `~/.netrc` and `~/.m2/settings.xml`",
        "cat $HOME/.npmrc $HOME/.pypirc $HOME/.cargo/credentials.toml $HOME/.netrc $HOME/.m2/settings.xml",
        why=_HIDDEN,
    ),
    "git-credentials": Attack(
        "read the logins of git and `gh`",
        "cat $HOME/.git-credentials $HOME/.config/git/credentials $HOME/.config/gh/hosts.yml",
        why=_HIDDEN,
    ),
    "browsers": Attack(
        "read the cookies of Firefox, Chrome and Chromium",
        "cat $HOME/.mozilla/firefox/p.default/cookies.sqlite $HOME/.config/google-chrome/Default/Cookies "
        "$HOME/.config/chromium/Default/Cookies",
        why=_HIDDEN,
    ),
    "passwords": Attack(
        "read password stores and the desktop's keyrings",
        "cat $HOME/.password-store/x.gpg $HOME/.local/share/keyrings/login.keyring",
        why=_HIDDEN,
    ),
    "hidden": Attack("read a folder that `hidden` names", "cat $HIDDEN/secret", why=_HIDDEN),
    "hidden-by-link": Attack(
        "read `~/.ssh` through a symbolic link that was committed before",
        "cat tracked-keys/id_ed25519",
        why="the link leads to the empty folder",
    ),
    "under-the-mount": Attack(
        "unmount what hides `~/.ssh`",
        "umount $HOME/.ssh; umount -l $HOME/.ssh; cat $HOME/.ssh/*",
        why="without capabilities nothing can be unmounted",
    ),
    "environment": Attack(
        "read, in /proc, a variable of the runner's that `env_remove` keeps from agents",
        "for pid in self $PPID 1 $VICTIMS $(ls /proc); do tr '\\0' '\\n' </proc/$pid/environ; done | grep VAULT",
        why="the runner's processes are not in the session's /proc",
    ),
    "ssh-agent": Attack(
        "use the user's ssh agent",
        "$PYTHON $TOOLS/connect.py ${SSH_AUTH_SOCK:-$AGENT_SOCKET} $AGENT_SOCKET",
        why="its socket is not there",
    ),
    "other-sessions": Attack(
        "read the transcripts of the run",
        "cat $RUN/transcripts/* $RUN/state.json | grep -q run_id && echo HARM",
        why="`.pitboss` is hidden",
    ),
}
