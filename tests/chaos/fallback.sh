# The agent that takes over from one that is limited, and has a prompt of its own; see claude.sh.
set -eu
cat >/dev/null
seq=$PITBOSS_SESSION_SEQ
say() { printf '%s\n' "$*" >>"$CHAOS_LOG"; }
nth=$(($(grep -c "^attempt $seq " "$CHAOS_LOG" || true) + 1))
[ "$nth" -gt 1 ] || say "agent $seq $PITBOSS_PROMPT_NAME"
say "attempt $seq $nth"
printf '{"input_tokens": 100, "output_tokens": 10, "cost_usd": 0.01}' >"$PITBOSS_USAGE_FILE"
echo "what $PITBOSS_PROMPT_NAME did" >"$PITBOSS_SUMMARY_FILE"
echo "$PITBOSS_PROMPT_NAME" >"$PITBOSS_PROMPT_NAME.txt"
say "wrote $seq $(git hash-object "$PITBOSS_PROMPT_NAME.txt")"
say "end $seq"
