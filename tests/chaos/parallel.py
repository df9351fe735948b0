"""The run with sessions side by side that is crashed: three slots, and twelve prompts that get in each other's way."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from tests.chaos.scenario import Place

Mode = Literal["in-place", "worktree"]

HERE = Path(__file__).parent
SLOTS = 3
EXCLUSIVE = "f-exclusive"
PROMPTS = (
    "a-slow",
    "b-fails",
    "c-commits-itself",
    "d-conflicts",
    "e-conflicts",
    EXCLUSIVE,
    "g-verified",
    "h-commits-itself",
    "i-nothing",
    "j-hook-fails",
    "k-commits",
    "l-commits-itself",
)
"""In the order of their turns: the first waits for the third, the fixer of the seventh for the eighth, and so on."""

CONFIG = f"""
[agent]
backend = "command"
[agent.command]
command = ["sh", "{HERE / "parallel_agent.sh"}"]
[retries]
fixer_max_attempts = 1
[tests]
command = "test ! -e broken"
[grind]
mode = "MODE"
max_parallel = {SLOTS}
consecutive_failure_limit = 0
hook_env_passthrough = ["CHAOS_LOG"]
[grind.hooks]
pre_session = '[ "$PITBOSS_PROMPT_NAME" != j-hook-fails ]'
post_session = 'echo "post $PITBOSS_SESSION_SEQ $PITBOSS_PROMPT_NAME" >>"$CHAOS_LOG"'
[grind.worktree]
copy = [".env"]
setup = '''
cp .env .ready
echo changed >>readme.txt
echo new >left-by-setup
echo "setup $PITBOSS_SESSION_SEQ" >>"$CHAOS_LOG"
'''
"""


class Picture(NamedTuple):
    """The user's checkout: the branch, the index, what git calls changed, and every file."""

    branch: str
    staged: str
    status: str
    files: dict[str, bytes]


def build_parallel(
    root: Path, mode: Mode, prompts: tuple[str, ...] = PROMPTS, *, endless: bool = False
) -> Place:
    """Make the repository; in `worktree` mode the user has begun work in it. Each prompt runs once unless `endless`."""
    place = Place(root)
    folder = place.repo / ".pitboss/grind/prompts"
    folder.mkdir(parents=True)
    for name in prompts:
        (folder / f"{name}.md").write_text(_prompt(name, endless=endless))
    (place.repo / ".pitboss/config.toml").write_text(CONFIG.replace("MODE", mode))
    (place.repo / ".gitignore").write_text(".pitboss/\n.env\n.ready\n")
    (place.repo / ".env").write_text("SECRET=1\n")
    (place.repo / "readme.txt").write_text("hello\n")
    (place.repo / "shared.txt").write_text("of nobody\n")
    place.git("init", "-q", "-b", "main")
    place.git("add", "-A")
    place.git("-c", "user.name=user", "-c", "user.email=user@local", "commit", "-qm", "start")
    if mode == "worktree":
        (place.repo / "staged.txt").write_text("staged\n")
        place.git("add", "staged.txt")
        (place.repo / "readme.txt").write_text("the user is at work\n")
        (place.repo / "a.txt").write_text("untracked, and named like an agent's file\n")
    return place


def _prompt(name: str, *, endless: bool) -> str:
    keys = ["verify: true"] * (name == "g-verified")
    keys += ["parallel_safe: true"] * (name != EXCLUSIVE)
    keys += ["max_runs: 1"] * (not endless)
    return "\n".join(["---", f"name: {name}", f"description: {name}", *keys, "---", "Do it.", ""])


def picture(place: Place) -> Picture:
    """The user's checkout as it is."""
    root = place.repo
    files = (p for p in sorted(root.rglob("*")) if p.is_file() and not {".git", ".pitboss"} & set(p.parts))
    return Picture(
        branch=place.git("branch", "--show-current"),
        staged=place.git("ls-files", "--stage"),
        status=place.git("status", "--porcelain"),
        files={str(p.relative_to(root)): p.read_bytes() for p in files},
    )
