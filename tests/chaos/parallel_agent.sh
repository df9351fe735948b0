# The agent and the fixer of the crash tests with sessions side by side: what it did stands in $CHAOS_LOG.
set -eu
cat >/dev/null
say() { printf '%s\n' "$*" >>"$CHAOS_LOG"; }
work() {
    echo "$1 by session $PITBOSS_SESSION_SEQ" >"$1"
    say "wrote $PITBOSS_SESSION_SEQ $(git hash-object "$1")"
}
# Work that is to be kept, though not where the session lands.
hide() {
    echo "$1 by session $PITBOSS_SESSION_SEQ" >"$1"
    say "hid $PITBOSS_SESSION_SEQ $(git hash-object "$1")"
}
commit() {
    work "$1"
    git add "$1"
    git -c user.name=agent -c user.email=agent@local commit -qm "the agent's own commit"
}
# Wait for what another session says. Once a process of the run has been killed, not for long: the other may be dead.
await() {
    most=1500 tries=0
    [ ! -e "${CHAOS_LOG%/*}/moment" ] || most=25
    until grep -q "$1" "$CHAOS_LOG" || [ $tries -ge $most ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
}
case $PITBOSS_USAGE_FILE in
*.fix-*) role=fixer ;;
*) role=agent ;;
esac
say "$role $PITBOSS_SESSION_SEQ $PITBOSS_PROMPT_NAME"
case $PITBOSS_WORKTREE in
*/worktrees/*) [ -f .env ] && [ -f .ready ] && [ ! -e left-by-setup ] || say "bare $PITBOSS_SESSION_SEQ" ;;
esac
printf '{"input_tokens": 100, "output_tokens": 10, "cost_usd": 0.01}' >"$PITBOSS_USAGE_FILE"
echo "what $PITBOSS_PROMPT_NAME did" >"$PITBOSS_SUMMARY_FILE"
if [ $role = agent ]; then
    echo "- seen by session $PITBOSS_SESSION_SEQ" >>"$PITBOSS_SCRATCHPAD"
    say "noted $PITBOSS_SESSION_SEQ"
fi
case $role-$PITBOSS_PROMPT_NAME in
agent-a-slow)
    work a.txt
    await '^post .* c-commits-itself'
    work a2.txt
    ;;
agent-b-fails)
    work b.txt
    exit 3
    ;;
agent-c-commits-itself)
    mkdir inner
    git init -q inner
    cd inner
    hide inner.txt
    git add inner.txt
    git -c user.name=agent -c user.email=agent@local commit -qm "in a repository of its own"
    cd ..
    git -c advice.addEmbeddedRepo=false add inner
    commit c1.txt
    work c2.txt
    ;;
agent-d-conflicts)
    work shared.txt
    await '^agent .* e-conflicts'
    ;;
agent-e-conflicts)
    work shared.txt
    await '^post .* d-conflicts'
    ;;
agent-f-exclusive) work f.txt ;;
agent-g-verified)
    work g1.txt
    : >broken
    ;;
fixer-g-verified)
    rm -f broken
    work g2.txt
    await '^post .* h-commits-itself'
    ;;
agent-h-commits-itself)
    await '^agent .* g-verified'
    commit h1.txt
    ;;
agent-i-nothing) ;;
agent-k-commits)
    echo hidden.txt >>.gitignore
    hide hidden.txt
    work k.txt
    ;;
agent-l-commits-itself)
    commit l1.txt
    await '^post .* k-commits'
    commit l2.txt
    ;;
esac
say "end $PITBOSS_SESSION_SEQ"
