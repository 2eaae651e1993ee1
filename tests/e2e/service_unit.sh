#!/usr/bin/env bash
# The units: systemd takes them, the system's service gives up what it can, and what it must not give up is there.
# A service whose /proc is covered in part cannot give the programs of external stores one of their own.
set -eu
. "$(dirname "$0")/common.inc"
need systemd-analyze
units=$AV_ROOT/packaging/systemd
mkdir -p "$OUT/system" "$OUT/user" "$OUT/bin"
for manager in system user; do
  cp "$units"/*.socket "$OUT/$manager/"
  # Where the program is, is the search path's to say, and not known to systemd here.
  sed "s,^ExecStart=\(/usr/bin/env \)\?agent-vault ,ExecStart=$AV_BINARY ," "$units/$manager/agent-vault.service" \
    >"$OUT/$manager/agent-vault.service"
  assert_contains "$OUT/$manager/agent-vault.service" "ExecStart=$AV_BINARY serve"
  (cd "$OUT/$manager" && systemd-analyze verify --man=no "--$manager" ./agent-vault.service ./*.socket) >"$OUT/verify" 2>&1 || true
  if grep -q agent-vault "$OUT/verify"; then
    cat "$OUT/verify"
    fail "systemd does not take the units of the $manager's manager"
  fi
done
# A misspelt directive is seen: the check above could have failed.
sed 's/^NoNewPrivileges=/NoNewPrivilege=/' "$OUT/system/agent-vault.service" >"$OUT/bin/agent-vault.service"
cp "$units"/*.socket "$OUT/bin/"
(cd "$OUT/bin" && systemd-analyze verify --man=no ./agent-vault.service) >"$OUT/verify" 2>&1 || true
assert_contains "$OUT/verify" NoNewPrivilege

# Its exposure, in tenths as systemd counts it (10: everything): what serve needs comes to 3.
(cd "$OUT/system" && systemd-analyze security --offline=true --threshold=32 --no-pager ./agent-vault.service) \
  >"$OUT/security" 2>&1 || { tail -n 1 "$OUT/security"; fail "the service is exposed more than it needs to be"; }
service=$units/system/agent-vault.service
for directive in NoNewPrivileges=yes CapabilityBoundingSet= ProtectSystem=strict ProtectHome=yes PrivateTmp=yes \
  PrivateDevices=yes User=agent-vault StateDirectoryMode=0700 UMask=0077 LimitCORE=0; do
  grep -qx "$directive" "$service" || fail "the service lacks $directive"
done

# Attack on the reasons in the unit: with a part of /proc read-only, as ProtectKernelTunables makes it, no /proc can
# be had in a namespace, so isolation would fall away; without, it can.
need unshare setpriv
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
  own_proc='setpriv --reuid 65534 --clear-groups --no-new-privs unshare -Urpf --mount-proc true'
  if unshare -m sh -c "$own_proc" 2>/dev/null; then
    ! unshare -m sh -c "mount --bind -o ro /proc/sys /proc/sys && $own_proc" 2>/dev/null ||
      fail "ProtectKernelTunables would do no harm: the unit can have it"
  fi
fi
for directive in ProtectKernelTunables ProtectKernelLogs ProtectProc ProcSubset MemoryDenyWriteExecute; do
  ! grep -q "^$directive=" "$service" || fail "$directive breaks the programs of external stores"
done
