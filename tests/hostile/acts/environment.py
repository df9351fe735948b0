"""What pitboss inherits from whoever started it, and agents must not."""

from __future__ import annotations

from tests.hostile.act import COMMIT, Act

_PLACES = {
    "GIT_DIR": "{repo}/.git",
    "GIT_WORK_TREE": "{repo}",
    "GIT_INDEX_FILE": "{repo}/.git/index",
    "GIT_PREFIX": "",
}
_NESTED = {
    "CLAUDECODE": "1",
    "CLAUDE_CODE_ENTRYPOINT": "cli",
    "CODEX_SANDBOX": "seatbelt",
    "GEMINI_CLI": "1",
    "QWEN_CODE": "1",
    "OPENCODE": "1",
    "PITBOSS_RUN_ID": "outer",
    "PITBOSS_SESSION_SEQ": "99",
    "PITBOSS_USAGE_FILE": "{beside}/precious",
}
_NONE_OF_IT = (
    'for v in CLAUDECODE CLAUDE_CODE_ENTRYPOINT CODEX_SANDBOX GEMINI_CLI OPENCODE QWEN_CODE GIT_DIR; do eval "'
    '[ -z \\"\\${$v-}\\" ]" || exit 9; done; [ "$PITBOSS_RUN_ID" != outer ]; [ "$PITBOSS_SESSION_SEQ" != 99 ]'
)

ACTS = {
    "of-a-git-hook": Act(COMMIT, env=_PLACES, ends=("ok",)),
    "of-a-git-hook-elsewhere": Act(
        COMMIT,
        env={
            "GIT_DIR": "{beside}/other/.git",
            "GIT_WORK_TREE": "{beside}/other",
            "GIT_OBJECT_DIRECTORY": "{scratch}",
        },
        ends=("ok",),
    ),
    "of-a-git-alias": Act(
        COMMIT,
        env={"GIT_CONFIG_PARAMETERS": "'core.worktree'='{beside}/other'", "GIT_NAMESPACE": "x"},
        ends=("ok",),
    ),
    "of-an-outer-agent-and-run": Act(_NONE_OF_IT, env=_NESTED, ends=("ok",)),
    "in-tests-and-hooks": Act(
        _NONE_OF_IT,
        env=_NESTED | _PLACES,
        grind=f"hooks = {{ pre_session = '''{_NONE_OF_IT}''' }}\nhook_env_passthrough = ['CLAUDECODE', 'GIT_DIR']",
        ends=("ok",),
    ),
}
