#!/bin/sh
# Claude Code as the crash tests play it: its first attempt meets a busy service, its second, gone on with, a usage limit.
. "$(dirname "$0")/attempt.sh"
model=claude-sonnet-4-5
usage='"usage": {"input_tokens": 100, "output_tokens": 10}'
echo '{"type": "system", "subtype": "init", "session_id": "its-own", "model": "'$model'"}'
echo '{"type": "assistant", "message": {"id": "m'"$nth"'", "model": "'$model'", "content": [], '"$usage"'}}'
work "half-$nth.txt"
case $nth in
1) error='"api_error_status": 529, "api_error_type": "overloaded_error", "result": "Overloaded"' ;;
*)
    error='"api_error_status": 429, "api_error": "usage_limit_reached", "result": "You have hit your 5-hour limit"'
    limit='"status": "rejected", "rateLimitType": "five_hour", "resetsAt": '$(($(date +%s) + 3600))
    echo '{"type": "rate_limit_event", "rate_limit_info": {'"$limit"'}}'
    ;;
esac
whole='"inputTokens": '$((100 * nth))', "outputTokens": '$((10 * nth))', "costBasis": "list"'
echo '{"type": "result", "subtype": "success", "is_error": true, '"$error, $usage"', "total_cost_usd": 0.0'"$nth"',
 "modelUsage": {"'$model'": {'"$whole"'}}}' | tr -d '\n'
echo
exit 1
