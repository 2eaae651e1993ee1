#!/usr/bin/env bash
# A real value that sits in the parent's environment does not reach the child; nor do our own secrets.
set -eu
. "$(dirname "$0")/common.inc"
real=$(new_canary sk-proj-)
password=$(new_canary)
set_credential OPENAI_API_KEY "$real"
av vault service add --preset openai >/dev/null
export OPENAI_API_KEY=$real AGENT_VAULT_MASTER_PASSWORD=$password HTTPS_PROXY=http://stale:1 https_proxy=http://stale:1
agent -- sh -c 'env -0 >env.bin; cat /proc/self/environ >environ.bin
  for f in /proc/[0-9]*/environ; do cat "$f" 2>/dev/null || true; done >all.bin
  for f in /proc/[0-9]*/cmdline; do cat "$f" 2>/dev/null || true; done >cmdlines.bin'
assert_absent env.bin stale
for file in env.bin environ.bin all.bin cmdlines.bin; do
  canary_check $file
done
assert_absent env.bin AGENT_VAULT_MASTER_PASSWORD
assert_matches env.bin 'OPENAI_API_KEY=sk-'
