#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# First inputs of fuzz_packet, made with scapy: seed_packet.sh DIR
set -euo pipefail
exec /usr/bin/python3 "$(dirname "$0")/seed_packet.py" "$1"
