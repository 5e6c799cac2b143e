#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# First inputs of fuzz_frags: seed_frags.sh DIR
set -euo pipefail

# bytes NAME BYTE...: a file of the corpus.
bytes() {
    local name=$1

    shift
    printf "$(printf '\\x%02x' "$@")" >"$DIR/corpus/$name"
}

# Steps: worker and kind, datagram, offset, length, more (0: the last one), a first one's fate.
DIR=$1
first=(0 1 0 7 1 2 0 0) second=(0 1 8 7 1 0 0 0) last=(0 1 16 3 0 0 0 0)
elsewhere=(1 1 8 7 1 0 0 0) overlap=(0 1 9 7 1 0 0 0) stray=(0 1 0 7 1 128 0 0)
time=(240 0 60 0 0 0 0 0) other_time=(241 0 1 0 0 0 0 0) off=(224 0 2 0 0 0 0 0)
bytes in-order 0 "${first[@]}" "${second[@]}" "${last[@]}"
bytes reversed 0 "${last[@]}" "${second[@]}" "${first[@]}"
bytes elsewhere 0 "${elsewhere[@]}" "${first[@]}" "${other_time[@]}" "${last[@]}"
bytes overlap 0 "${first[@]}" "${second[@]}" "${overlap[@]}" "${last[@]}"
bytes duplicate 0 "${first[@]}" "${second[@]}" "${second[@]}" "${first[@]}" "${second[@]}"
bytes stray 0 "${second[@]}" "${stray[@]}" "${last[@]}"
bytes late 0 "${second[@]}" "${time[@]}" "${time[@]}" "${first[@]}"
bytes off 0 "${first[@]}" "${off[@]}" "${second[@]}" "${off[@]}" "${last[@]}"
bytes pieces 1 0 100 0 2 88 0 69 0 0 0 18 52 0 0 64 17 0 0 198 51 100 7 203 0 113 10
bytes pieces-of-a-piece 1 0 100 0 1 88 0 69 0 0 0 18 52 32 185 64 17 0 0 198 51 100 7 203 0 113 10
bytes options 1 3 150 0 2 88 0 72 0 0 0 18 52 0 0 64 17 0 0 198 51 100 7 203 0 113 10 \
    136 4 18 52 7 4 4 0 148 4 0 0
