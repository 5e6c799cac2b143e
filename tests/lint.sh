#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What can be said of the source without running it. Prints "ok NAME" or
# "FAIL NAME: reason" per rule; see DESIGN and docs for why the rules are there.
set -euo pipefail
cd "$(dirname "$0")/.."

# check NAME: the rule of that name below holds when it prints nothing and ends well.
check() {
    local name=$1 output status=0

    output=$("$name" 2>&1) || status=$?
    if [ -z "$output" ] && [ $status = 0 ]; then
        echo "ok $name"
    else
        printf '%s\n' "$output"
        echo "FAIL $name: see above"
    fi
}

mapfile -t FILES < <(find . \( -name .git -o -path './build*' -o -name __pycache__ \) -prune -o -type f -printf '%P\n' | sort)

# Files of the tree that match one of the patterns; * matches / too.
sources() {
    local file pattern

    for file in "${FILES[@]}"; do
        for pattern; do
            # shellcheck disable=SC2053 # a pattern, not a text
            [[ $file != $pattern ]] || echo "$file"
        done
    done
}

shell_scripts() {
    sources 'scripts/*' '.ci/*' 'tests/*' | while read -r file; do
        if [ -f "$file" ] && { [[ $file == *.sh ]] || head -n 1 "$file" | grep -q '^#!.*\bbash'; }; then
            echo "$file"
        fi
    done
}

shell_is_clean() {
    shell_scripts | xargs -d '\n' -n 4 -P 2 shellcheck --severity=warning
}

man_pages_are_clean() {
    local page

    shopt -s nullglob
    for page in docs/man/*.[1-9]; do
        mandoc -T lint -W warning "$page" | grep -v 'missing date' || true
    done
}

# dataplane/, controlplane/ and backend/ never include each other; common/ takes
# nothing but libc and inih.
rooms_stay_apart() {
    local room file header line

    for room in dataplane controlplane backend; do
        for file in $(sources "$room/*.[ch]"); do
            # FILE:LINE:HEADER of what is neither this room's nor common's.
            grep -nHoP '^#include "\K[^"]+' "$file" | while IFS=: read -r file line header; do
                if [ ! -e "$(dirname "$file")/$header" ] && [ ! -e "$room/$header" ] &&
                    [ ! -e "common/$header" ] && [[ $header != *.skel.h ]]; then
                    echo "$file:$line: includes \"$header\""
                fi
            done
            grep -nHE '#include [<"](.*/)?(dataplane|controlplane|backend)/' "$file" || true
        done
    done
    for file in $(sources 'common/*.[ch]'); do
        grep -nHE '#include [<"](rte_|uv\.|jansson|libmnl|bpf/|curl/)' "$file" || true
    done
}

# A stage sees the packet and the view: no other stage, no device, no log.
stages_touch_only_packets() {
    local stage file

    for stage in rx parse extensions quote classify select encap tx; do
        for file in "dataplane/$stage".[ch]; do
            [ -e "$file" ] || continue
            grep -nHE '#include [<"](log|stdio|syslog|session|eal|main)\.h' "$file" || true
            grep -nHE "#include \"(rx|parse|classify|select|encap|tx)\.h\"" "$file" |
                grep -vE "\"$stage\.h\"|/(extensions|quote)\.c:[0-9]+:#include \"parse\.h\"" || true
            case $stage in
            rx | tx) ;;
            *) grep -nHE '#include <rte_(ethdev|eal|log)\.h>' "$file" || true ;;
            esac
            grep -nHwE 'printf|fprintf|malloc|calloc|free|log_[a-z]+' "$file" |
                grep -vE ':[[:space:]]*(/?\*|//)' || true
        done
    done
}

# Only these two touch the rings (design, "Rooms").
only_publisher_and_view_use_rings() {
    sources '*.c' | grep -v '^tests/' |
        xargs -d '\n' grep -lE '\bweir_ring_(push|pop)\b' |
        grep -vxE 'dataplane/table_view.c|controlplane/worker_link.c' || true
}

files_name_their_license() {
    local file

    for file in $(sources '*.c' '*.h' '*.sh' '*.py' 'scripts/*'); do
        [ -f "$file" ] || continue
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: ' || echo "$file: no SPDX line"
    done
    for file in $(sources '*.bpf.c'); do
        head -n 1 "$file" | grep -q 'GPL-2.0-only' || echo "$file: eBPF programs are GPL-2.0-only"
    done
}

files_are_short() {
    local file

    for file in $(sources '*.c' '*.h' '*.py' '*.sh' 'scripts/*'); do
        [ ! -f "$file" ] || awk 'END { if (NR > 600) print FILENAME ": " NR " lines, more than 600" }' "$file"
    done
}

# scripts/test runs them as programs: one that is none would never run.
tests_are_programs() {
    local file

    for file in $(sources 'tests/packet/test_*.py' 'tests/e2e/*.sh' 'tests/sim/*.sh'); do
        [ -x "$file" ] || echo "$file: not executable"
    done
}

no_unnumbered_todo() {
    sources '*.c' '*.h' '*.sh' '*.py' 'scripts/*' | grep -v '^tests/lint.sh$' |
        xargs -d '\n' grep -nE '\b(TODO|FIXME|XXX)\b' | grep -vE '(TODO|FIXME)\(?#[0-9]+' || true
}

# Relative links of the documentation.
links_lead_somewhere() {
    local file link

    for file in $(sources '*.md'); do
        grep -oP '\]\(\K[^)#]+' "$file" | grep -v '^[a-z]*://' | while read -r link; do
            [ -e "$(dirname "$file")/$link" ] || echo "$file: $link is not there"
        done || true
    done
}

for rule in shell_is_clean man_pages_are_clean rooms_stay_apart stages_touch_only_packets \
    only_publisher_and_view_use_rings files_name_their_license files_are_short tests_are_programs no_unnumbered_todo \
    links_lead_somewhere; do
    check $rule
done
