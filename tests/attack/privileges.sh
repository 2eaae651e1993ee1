#!/usr/bin/env bash
# No capability in any set, and nothing that exec could give back.
set -eu
. "$(dirname "$0")/attack.inc"
attack_case <<'SH'
grep -q '^NoNewPrivs:.*1' /proc/self/status || echo GOT no_new_privs off
grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' /proc/self/status | grep -qv '0000000000000000$' && echo GOT capabilities
SH
