#!/usr/bin/env bash
# Never two interpretations of a request: the smuggling vectors, through a TLS tunnel and in absolute
# form, against a recording upstream and against nginx, HAProxy and Node where they are installed. The
# client's answers, the upstreams' own accounts and the audit log name the same requests.
# timeout: 120
set -eu
. "$(dirname "$0")/common.inc"
. "$(dirname "$0")/judges.inc"
start_judges
vectors=$AV_ROOT/tests/vectors/smuggling
smuggle() { PYTHONPATH=$SUPPORT PYTHONDONTWRITEBYTECODE=1 "$AV_PYTHON" "$SUPPORT/smuggle.py" "$@"; }

sent=0
av_run --header-timeout 8 -- env PYTHONPATH="$SUPPORT" PYTHONDONTWRITEBYTECODE=1 \
  "$AV_PYTHON" "$SUPPORT/smuggle.py" send --vectors "$vectors" \
  --file framing.txt chunks.txt heads.txt --backend "${BACKENDS[@]}" --out "$OUT/results.json" >"$OUT/agent.out" 2>"$OUT/agent.err" || sent=$?
cat "$OUT/agent.out"
av log --limit 0 --json >"$OUT/audit.jsonl"
smuggle judge --out "$OUT/results.json" --seen "${SEEN[@]}" --audit "$OUT/audit.jsonl" \
  --canary "$CANARIES"
assert_eq 0 "$sent" "contradictions that the client saw"
canary_check "$OUT/agent.out" "$OUT/agent.err" "$OUT/audit.jsonl"
