#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `meson install` puts everything in place, and what it installed works there.
#
#   no network: the files of an installation in a directory of its own
set -euo pipefail
# shellcheck source=tests/lib/e2e.sh
. "$(dirname "$0")/../lib/e2e.sh"

top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
DESTDIR=$top meson install -C "$WEIR_BUILD" --no-rebuild --quiet >"$top/log" 2>&1 ||
    die "meson install: $(tail -n 5 "$top/log")"

# installed NAME PATTERN...: each is there once and holds something.
installed() {
    local name file

    for name; do
        file=$(find "$top" -path "*/$name")
        if [ ! -s "$file" ]; then
            echo "$name is not installed"
            return 1
        fi
    done
}

check programs installed weir-dataplane weir-controlplane weirctl weir-backend
check bpf_objects installed steer.bpf.o
check man_pages installed man8/weir-dataplane.8 man8/weir-controlplane.8 man8/weirctl.8 \
    man8/weir-backend.8 man5/weir.conf.5
check units installed weir-dataplane.service weir-controlplane.service weir-backend@.service
check everybody_gets_to_the_sockets equal "units with a directory for all" \
    "$(find "$top" -name 'weir-*plane.service' -exec grep -l '^RuntimeDirectoryMode=0755' {} + | wc -l)" 2
check example_configuration installed weir.conf

for program in weir-dataplane weir-controlplane weirctl weir-backend; do
    file=$(find "$top" -type f -name $program)
    check "${program//-/_}_tells_its_version" grep -q '[0-9]\.[0-9]' <("$file" --version 2>&1)
done
check the_example_is_a_good_file "$(find "$top" -type f -name weirctl)" check-config \
    "$(find "$top" -type f -name weir.conf)"

if command -v systemd-analyze >/dev/null; then
    # The units name the place that DESTDIR stands for: verify them there.
    mkdir "$top/units"
    find "$top/usr" "$top/lib" -name 'weir-*.service' -exec cp {} "$top/units" ';'
    sed -i "s|^\(Exec[A-Za-z]*=\)/usr|\1$top/usr|" "$top"/units/*
    cp "$top/units/weir-backend@.service" "$top/units/weir-backend@backend.service"
    complaints() {
        systemd-analyze verify --man=no "$top"/units/weir-{dataplane,controlplane,backend@backend}.service 2>&1 |
            grep weir- || true
    }
    check systemd_accepts_the_units equal complaints "$(complaints)" ""
else
    echo "skip systemd_accepts_the_units: systemd-analyze is not installed"
fi
check a_cpu_that_the_compiler_does_not_know_is_told refused 1 "knows no such CPU" \
    meson setup -Dmarch=foo "$top/build" "$WEIR_ROOT"
checks_end
