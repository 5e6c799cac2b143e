# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What scripts/test counts and prints: a line a test, then the sum.
#
#   ok NAME (1.2 s)
#   FAIL NAME (1.2 s)      followed by the test's output, indented
#   skip NAME: reason

RESULT_PASSED=0
RESULT_FAILED=()
RESULT_SKIPPED=()
RESULT_KEY= # of -k: only names that hold it count

# May this name, or anything that FILE defines, be meant by -k?
result_may_hold() {
    [[ -z $RESULT_KEY || $1 == *"$RESULT_KEY"* ]] || grep -qF -- "${RESULT_KEY##*/}" "${@:2}"
}

result_wanted() {
    [[ $1 == *"$RESULT_KEY"* ]]
}

# result_ok NAME MILLISECONDS
result_ok() {
    result_wanted "$1" || return 0
    RESULT_PASSED=$((RESULT_PASSED + 1))
    echo "ok $1 ($(seconds "$2") s)"
}

# result_fail NAME MILLISECONDS OUTPUT
result_fail() {
    result_wanted "$1" || return 0
    RESULT_FAILED+=("$1")
    echo "FAIL $1 ($(seconds "$2") s)"
    [ -z "$3" ] || printf '%s\n' "$3" | sed 's/^/    /'
}

# result_skip NAME REASON
result_skip() {
    result_wanted "$1" || return 0
    RESULT_SKIPPED+=("$1: $2")
    echo "skip $1: $2"
}

# The last lines. Returns 1 when a test failed.
result_summary() {
    local line

    for line in "${RESULT_FAILED[@]}"; do
        echo "failed: $line"
    done
    for line in "${RESULT_SKIPPED[@]}"; do
        echo "skipped: $line"
    done
    line="$RESULT_PASSED passed, ${#RESULT_FAILED[@]} failed"
    [ ${#RESULT_SKIPPED[@]} -eq 0 ] || line+=", ${#RESULT_SKIPPED[@]} skipped"
    echo "$line"
    [ ${#RESULT_FAILED[@]} -eq 0 ]
}

# result_lines PREFIX COMMAND...: a program that prints "ok NAME", "FAIL NAME:
# reason" and "skip NAME: reason" as it goes; anything else it prints belongs to
# the next of these lines. Ending badly without having said FAIL is a failure.
result_lines() {
    local prefix=$1 line output='' since failed=0 seen=0 status=0 out

    shift
    since=$(now_ms)
    exec {out}< <("$@" 2>&1)
    while IFS= read -r line <&$out; do
        case $line in
        'ok '*) result_ok "$prefix/${line#ok }" $(($(now_ms) - since)) ;;
        'FAIL '*)
            failed=1
            line=${line#FAIL }
            result_fail "$prefix/${line%%: *}" $(($(now_ms) - since)) "$output${line#*: }"
            ;;
        'skip '*)
            line=${line#skip }
            result_skip "$prefix/${line%%: *}" "${line#*: }"
            ;;
        *)
            output+=$line$'\n'
            continue
            ;;
        esac
        seen=1
        output=
        since=$(now_ms)
    done
    exec {out}<&-
    wait $! || status=$?
    if [ $status -ne 0 ] && [ $failed = 0 ]; then
        result_fail "$prefix" $(($(now_ms) - since)) "${output}ended with status $status"
    elif [ $seen = 0 ] && [ $status -eq 0 ]; then
        result_fail "$prefix" $(($(now_ms) - since)) "${output}told no result"
    fi
}

# result_cmocka PREFIX COMMAND...: a cmocka program, a result for each of its
# test cases; one that dies in a case has failed that case. A program that is
# none of cmocka's counts as one test by its exit status.
result_cmocka() {
    local prefix=$1 line output='' since case='' failed=0 seen=0 status=0 out

    shift
    since=$(now_ms)
    exec {out}< <("$@" 2>&1)
    while IFS= read -r line <&$out; do
        case $line in
        '[ RUN      ] '*)
            case=${line#*] }
            output=
            since=$(now_ms)
            seen=1
            ;;
        "[       OK ] $case")
            result_ok "$prefix/$case" $(($(now_ms) - since))
            case=
            ;;
        "[  SKIPPED ] $case")
            result_skip "$prefix/$case" "${output:-the test gives no reason}"
            case=
            ;;
        "[  FAILED  ] $case")
            result_fail "$prefix/$case" $(($(now_ms) - since)) "$output"
            failed=1
            case=
            ;;
        *) output+=$line$'\n' ;;
        esac
    done
    exec {out}<&-
    wait $! || status=$?
    if [ $status -ne 0 ] && [ $failed = 0 ]; then
        result_fail "$prefix${case:+/$case}" $(($(now_ms) - since)) \
            "${output}ended with status $status"
    elif [ $seen = 0 ]; then
        result_ok "$prefix" $(($(now_ms) - since))
    fi
}
