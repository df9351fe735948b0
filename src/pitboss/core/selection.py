"""What the command line chose to run; state.json keeps it so that a resumed run chooses the same (SPEC 7)."""

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.config import SandboxMode

if TYPE_CHECKING:
    from pitboss.core.config import GrindSettings
    from pitboss.core.rotation import Rotation


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The choices of a command line; None or empty where it chose nothing.

    `rotation`, `names` and `tags` say which prompts run, `prompts_dir` where they are (relative to the repository if
    inside it), `agent` who works on them, and `max_parallel`, `mode` and `workers` how many run side by side, and
    where. No option sets `mode` yet; it belongs to the format of state.json. `sandbox` is the mode of the sandbox; one
    that the configuration chose is kept, too. `task_runs` is how often a run of one task works on that; None if it is
    no such run.
    """

    rotation: str | None = None
    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    prompts_dir: str | None = None
    agent: str | None = None
    max_parallel: int | None = None
    mode: str | None = None
    workers: str | None = None
    sandbox: SandboxMode | None = None
    task_runs: int | None = None

    def over(self, kept: "Selection | None") -> "Selection":
        """These choices; where one is missing, the one that was `kept`."""
        chosen = msgspec.structs.asdict(kept or Selection())
        given = msgspec.structs.asdict(self)
        chosen |= {name: value for name, value in given.items() if value not in (None, "", ())}
        return Selection(**chosen)

    @property
    def is_narrow(self) -> bool:
        """Whether the run is for what was named alone: queued tasks from before it began are not its business."""
        return self.task_runs is not None or bool(self.names)

    def side_by_side(self, rotation: "Rotation", grind: "GrindSettings") -> int:
        """How many sessions may run at once, as chosen here, else by the rotation, else by the configuration."""
        return self.max_parallel or rotation.max_parallel or grind.max_parallel
