# The agent that takes over from one that is limited, and has a prompt of its own; see claude.sh.
. "$(dirname "$0")/attempt.sh"
printf '{"input_tokens": 100, "output_tokens": 10, "cost_usd": 0.01}' >"$PITBOSS_USAGE_FILE"
echo "what $PITBOSS_PROMPT_NAME did" >"$PITBOSS_SUMMARY_FILE"
work "$PITBOSS_PROMPT_NAME.txt"
say "end $seq"
