#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# seed_conf.sh DIR: where the fuzzer of the configuration begins. DIR/corpus gets the
# shipped examples, whole and by section, and a few oddities; DIR/dict every key and
# value in them.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1/corpus"

for name in weir full; do
    file=$root/configs/$name.conf
    cp "$file" "$1/corpus/$name"
    grep -v '^#' "$file" | grep -v '^$' >"$1/corpus/$name-bare"
    awk -v out="$1/corpus/$name" '/^\[/ { n++ } n { print > (out "-" n) }' "$file"
done

printf '\xef\xbb\xbf[port p]\r\ndevice = net_null0\r\n' >"$1/corpus/other-system"
printf '[port p]\ndevice = net_null0\n[pool a]\nbackend x = 192.0.2.1 weight=0 mac=02:00:00:00:00:01 port=p vlan=4094\n[service s]\nvip = 2001:db8::1\nport = 0\npool = a\n' \
    >"$1/corpus/backend-line"
printf '[port p]\ndevice = %0250d\n' 0 >"$1/corpus/long-line"

# "word" a line, for libFuzzer.
sed -n 's/^\[\([a-z]*\).*/[\1 x]/p; s/^\([a-z_]*\) *= *\([^ ;]*\).*/\1 = \2/p' "$root"/configs/{weir,full}.conf |
    sort -u | sed 's/["\\]/\\&/g; s/.*/"&"/' >"$1/dict"
echo '"backend a = 192.0.2.1"' >>"$1/dict"
