#!/usr/bin/env bash
# Two thousand requests over eight connections of 32 streams each, to nghttpd: all are answered, over
# few connections, and the broker stays small.
set -eu
. "$(dirname "$0")/common.inc"
need node nghttpd
"$SUPPORT/make_certs.sh" "$OUT/certs"
mkdir "$OUT/htdocs"
head -c 20000 /dev/urandom >"$OUT/htdocs/file"
port=$("$AV_PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
nghttpd --address=127.0.0.1 -v -d "$OUT/htdocs" "$port" "$OUT/certs/server.key" "$OUT/certs/server.pem" >"$OUT/nghttpd.log" 2>&1 &
wait_for 30 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
RUN_OPTIONS+=(--upstream-ca "$OUT/certs/ca.pem" --resolve "echo.test:443:127.0.0.1:$port")
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

cat >"$AV_CASE/work/agent.js" <<'JS'
const assert = require('assert');
const c = require('h2_client.js');
(async () => {
  const sessions = await Promise.all([...Array(8)].map(() => c.session('echo.test')));
  const shas = new Set();
  let answered = 0;
  const began = Date.now();
  await Promise.all(sessions.flatMap((session) => [...Array(32)].map(async (_, lane) => {
    for (let i = lane; i < 250; i += 32) {
      const r = await c.ask2(session, `/file?${i}`);
      assert(r.status === 200 && !r.error && r.length === 20000, JSON.stringify({ ...r, body: '' }));
      shas.add(r.sha);
      answered += 1;
    }
  })));
  assert.strictEqual(shas.size, 1);
  console.log(`${answered} answered in ${Date.now() - began} ms, sha ${[...shas][0]}`);
  sessions.forEach((session) => session.destroy());
})();
JS
start_run -- sh -c "NODE_PATH=$SUPPORT node --unhandled-rejections=strict '$AV_CASE/work/agent.js'; echo \$? >'$OUT/code'; sleep 0.3"
peak=0
while kill -0 "$RUN_PID" 2>/dev/null; do
  now=$(awk '/^VmHWM/ { print $2 }' "/proc/$RUN_PID/status" 2>/dev/null || true)
  [ "${now:-0}" -gt "$peak" ] && peak=$now
  sleep 0.05
done
cat "$OUT/run.out" "$OUT/run.err"
assert_eq 0 "$(cat "$OUT/code")"
assert_contains "$OUT/run.out" "2000 answered"
assert_contains "$OUT/run.out" "sha $(sha256sum "$OUT/htdocs/file" | cut -d' ' -f1)"
echo "the broker's peak: $peak KiB"
[ "$peak" -gt 1000 ] && [ "$peak" -lt 150000 ] || fail "the broker's peak: $peak KiB"
assert_eq 2000 "$(grep -ac "authorization: Bearer $real" "$OUT/nghttpd.log")"
canary_check "$OUT/run.out" "$OUT/run.err"
