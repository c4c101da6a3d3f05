#!/usr/bin/env bash
# The step of action.yml that judges: annotations on standard output, a SARIF report, and the job's summary. It ends well;
# what the run came to is in the output `exit-code`, for a later step to gate on once the report is uploaded.
set -uo pipefail

program=${SHAKEDOWN:-}
[ -n "$program" ] || program="$RUNNER_TEMP/shakedown/bin/shakedown"
# Words of the inputs are separated by spaces.
read -r -a arguments <<<"${SHAKEDOWN_ARGS:-}"
read -r -a paths <<<"${SHAKEDOWN_PATH:-.}"
[ -z "${SHAKEDOWN_FAIL_ON:-}" ] || arguments+=(--fail-on "$SHAKEDOWN_FAIL_ON")

"$program" lint --format sarif --output-file "$SHAKEDOWN_SARIF" ${arguments[@]+"${arguments[@]}"} "${paths[@]}"
code=$?
"$program" lint --format github ${arguments[@]+"${arguments[@]}"} "${paths[@]}"
{
    case $code in
    0) echo "### shakedown: nothing that fails" ;;
    1) echo "### shakedown: findings" ;;
    *) echo "### shakedown could not run" ;;
    esac
    echo
    echo '```text'
    "$program" lint --format concise ${arguments[@]+"${arguments[@]}"} "${paths[@]}" 2>&1
    echo '```'
} >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
echo "exit-code=$code" >>"${GITHUB_OUTPUT:-/dev/null}"
