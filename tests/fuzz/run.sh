#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh NAME SECONDS: build fuzz_NAME.c with clang's libFuzzer, AddressSanitizer and
# UndefinedBehaviorSanitizer, and run it for so long. What it links besides stands in
# its "links:" and "packages:" lines; seed_NAME.sh makes its first inputs.
#
# Ends with "ok fuzz_NAME", or "FAIL fuzz_NAME" and status 1; the input that broke it is
# kept then, in the directory that is named.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
name=$1 seconds=$2
source=$here/fuzz_$name.c
work=$(mktemp -d "${TMPDIR:-/tmp}/weir-fuzz-$name-XXXXXX")

failed() {
    echo "FAIL fuzz_$name: $1 (see $work)"
    exit 1
}

# values KEY: the words behind "KEY:" in the comment at the top of the source, a line each.
values() {
    sed -n "s/^ \* $1: //p" "$source" | tr ' ' '\n'
}

cd "$root"
mapfile -t files < <(values links)
mapfile -t packages < <(values packages)
read -ra flags < <(pkg-config --cflags --libs "${packages[@]}")
clang -std=c11 -D_GNU_SOURCE -Wall -Wextra -g -O1 -fno-omit-frame-pointer \
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -Icommon -Icontrolplane -Idataplane -o "$work/fuzz" "$source" "${files[@]}" "${flags[@]}" ||
    failed "it does not build"

mkdir "$work/corpus"
options=()
if [ -x "$here/seed_$name.sh" ]; then
    "$here/seed_$name.sh" "$work"
    [ ! -f "$work/dict" ] || options+=("-dict=$work/dict")
fi

"$work/fuzz" -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=1024 -timeout=10 \
    -print_final_stats=1 -verbosity=1 -artifact_prefix="$work/" "${options[@]}" "$work/corpus" \
    >"$work/log" 2>&1 || {
    tail -n 40 "$work/log"
    failed "an input broke it"
}
grep -E 'number_of_executed_units|new_units_added' "$work/log" || true
rm -rf "$work"
echo "ok fuzz_$name"
