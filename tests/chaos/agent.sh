# The agent, the fixer and the witness of the crash tests: what it did stands in $CHAOS_LOG, outside the repository.
set -eu
cat >/dev/null
say() { printf '%s\n' "$*" >>"$CHAOS_LOG"; }
work() {
    echo "$1 by session $PITBOSS_SESSION_SEQ" >"$1"
    say "wrote $PITBOSS_SESSION_SEQ $(git hash-object "$1")"
}
case $PITBOSS_USAGE_FILE in
*.fix-*) role=fixer ;;
*) role=agent ;;
esac
say "$role $PITBOSS_SESSION_SEQ $PITBOSS_PROMPT_NAME"
printf '{"input_tokens": 100, "output_tokens": 10, "cost_usd": 0.01}' >"$PITBOSS_USAGE_FILE"
echo "what $PITBOSS_PROMPT_NAME did" >"$PITBOSS_SUMMARY_FILE"
case $role-$PITBOSS_PROMPT_NAME in
agent-a-commit) work a.txt ;;
agent-b-nothing) ;;
agent-c-commits-itself)
    work c1.txt
    git add c1.txt
    git -c user.name=agent -c user.email=agent@local commit -qm "the agent's own commit"
    work c2.txt
    ;;
agent-d-fails)
    mkdir inner
    git init -q inner
    cd inner
    work inner.txt
    git add inner.txt
    git -c user.name=agent -c user.email=agent@local commit -qm "in a repository of its own"
    cd ..
    git -c advice.addEmbeddedRepo=false add inner
    git -c user.name=agent -c user.email=agent@local commit -qm "a link to it"
    echo hidden.txt >>.gitignore
    work hidden.txt
    work d.txt
    exit 3
    ;;
agent-e-breaks-tests) work broken ;;
fixer-e-breaks-tests) work attempt.txt ;;
agent-g-commit) work g.txt ;;
agent-task) work "task-$PITBOSS_SESSION_SEQ.txt" ;;
esac
say "end $PITBOSS_SESSION_SEQ"
