# What claude.sh and fallback.sh begin with: `say`, `work`, and which attempt of which session this is.
# What they did stands in $CHAOS_LOG, outside the repository.
set -eu
cat >/dev/null
seq=$PITBOSS_SESSION_SEQ
say() { printf '%s\n' "$*" >>"$CHAOS_LOG"; }
work() {
    echo "$1 by session $seq" >"$1"
    say "wrote $seq $(git hash-object "$1")"
}
nth=$(($(grep -c "^attempt $seq " "$CHAOS_LOG" || true) + 1))
[ "$nth" -gt 1 ] || say "agent $seq $PITBOSS_PROMPT_NAME"
say "attempt $seq $nth"
