#!/usr/bin/env bash
# Without a capability root still owns the settings of the kernel: core_pattern is a program that the kernel starts outside, and /sys
# steers the machine.
set -eu
. "$(dirname "$0")/attack.inc"
[ "$(id -u)" = 0 ] || skip "needs root"
[ -w /proc/sys/kernel/core_pattern ] || skip "/proc/sys is read-only here"
attack_case <<'SH'
for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe; do
  value=$(cat $file) && echo "$value" >$file && echo "GOT to write $file"
done
(: >/proc/sysrq-trigger) && echo GOT sysrq
SH
# The same by the other file system, whose settings differ from kernel to kernel.
setting=/sys/kernel/mm/transparent_hugepage/enabled
[ -w $setting ] || exit 0
attack_case <<'SH'
( : >>/sys/kernel/mm/transparent_hugepage/enabled ) && echo GOT to open a setting
SH
