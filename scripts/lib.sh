# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Shared by the scripts in this directory and by tests/: messages, waiting for
# events, builds. Source it; it changes nothing by itself.
#
#   WEIR_ROOT     top of the source tree
#   WEIR_BUILDS   directory that holds the build directories (default: WEIR_ROOT)

WEIR_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
WEIR_BUILDS=${WEIR_BUILDS:-$WEIR_ROOT}

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "run me as root: I make network namespaces"
}

# Milliseconds of the wall clock; only differences mean anything.
now_ms() {
    echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# 1234 ms as "1.2"
seconds() {
    printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100))
}

# wait_until SECONDS COMMAND...: until COMMAND succeeds. Returns 1 when the time
# is over. COMMAND is tried every 20 ms, so that the wait ends with the event.
wait_until() {
    local deadline=$(($(now_ms) + $1 * 1000))

    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(now_ms)" -lt $deadline ] || return 1
        sleep 0.02
    done
}

# Make NAME ("build", "build-asan", "build-tsan") up to date; only TARGET... if
# given. Quiet; the log is shown when it fails. WEIR_MESON_ARGS: further
# arguments for meson setup, for example -Dwerror=true.
build_dir() {
    local name=$1 dir log
    local -a args=()

    shift
    dir=$WEIR_BUILDS/$name
    log=$dir.log
    read -ra args <<<"${WEIR_MESON_ARGS:-}"
    case $name in
    build-asan) args+=('-Db_sanitize=address,undefined' -Db_lundef=false -Dbuildtype=debugoptimized) ;;
    build-tsan) args+=(-Db_sanitize=thread -Db_lundef=false -Dbuildtype=debugoptimized) ;;
    esac
    if ! {
        if [ ! -f "$dir/build.ninja" ]; then
            meson setup "$dir" "$WEIR_ROOT" "${args[@]}"
        elif [ "$(cat "$dir/weir-args")" != "${args[*]}" ]; then
            meson configure "$dir" "${args[@]}"
        fi && echo "${args[*]}" >"$dir/weir-args" && ninja -C "$dir" "$@"
    } >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        echo "${0##*/}: $dir does not build; the whole log is $log" >&2
        return 1
    fi
    rm -f "$log"
}

# Huge pages: a data plane runs faster on them, and as well without. Reserve a
# few when the machine has none; sets HUGE_RESERVED=1 when it did.
huge_pages_reserve() {
    local pages=/proc/sys/vm/nr_hugepages

    HUGE_RESERVED=0
    [ "$(cat $pages 2>/dev/null)" = 0 ] || return 0
    if echo 192 2>/dev/null >$pages; then
        HUGE_RESERVED=1
    fi
}

huge_pages_give_back() {
    [ "${HUGE_RESERVED:-0}" = 0 ] || echo 0 >/proc/sys/vm/nr_hugepages
    HUGE_RESERVED=0
}
