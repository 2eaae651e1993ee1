#!/usr/bin/env bash
# What the documents say is so. The completions in the tree are those that the program prints; links and
# their anchors lead somewhere; the commands and options in the shell blocks exist; and the blocks marked
# "sh test" work. Those of one file run in order in one shell, in a home of its own, as a reader has it: no
# AGENT_VAULT_HOME, the store below HOME. Words behind "test" are programs without which a block is left out.
# The reader's internet is the fake upstream, to which the configuration leads; and the ports that serve has
# by default may be taken here, so they are exchanged for free ones.
# timeout: 170
set -eu
. "$(dirname "$0")/common.inc"
for pair in bash:agent-vault.bash zsh:_agent-vault fish:agent-vault.fish; do
  file=$AV_ROOT/completions/${pair#*:}
  av completion "${pair%%:*}" >"$OUT/completion"
  cmp -s "$OUT/completion" "$file" ||
    fail "completions/${pair#*:} is out of date: agent-vault completion ${pair%%:*} >completions/${pair#*:}"
done

"$AV_PYTHON" "$SUPPORT/check_docs.py" "$AV_ROOT" "$AV_BINARY" || fail "links or commands in the documents"

# -- the blocks
need curl git
# All that these store must have come to the upstream, and nothing of it to the page's output: a page whose
# services no longer fit its requests would pass in silence.
SENDING="aider claude-code codex containers custom-agents gemini migration opencode protocol team troubleshooting
  ci mcp-servers aws github google openai-anthropic postgres slack rules cursor"
hosts="abcdefgh.supabase.co api.anthropic.com api.example.com api.github.com api.openai.com api.openai.example api.deepseek.com
  bedrock-runtime.eu-central-1.amazonaws.com bots.example.com dashscope.aliyuncs.com api2.cursor.sh files.example.com generativelanguage.googleapis.com
  github.com hooks.slack.com mcp.example.com slack.com storage.googleapis.com api.stripe.com api.telegram.org"
CERT_HOSTS=$hosts start_upstream --any-path
mkdir -p "$OUT/bin"
ln -s "$AV_BINARY" "$OUT/bin/agent-vault"
programs=${AV_NPM_DIR:-$AV_ROOT/build/npm}/node_modules/.bin
PATH=$OUT/bin:$PATH
# No program, but blocks can ask for it as for one: where namespaces are forbidden they are left out.
if av run --isolation network -- true 2>/dev/null; then ln -s /bin/true "$OUT/bin/isolation-network"; fi
[ ! -d "$programs" ] || PATH=$PATH:$programs
export PATH

# configuration API PROXY: what stands in for the internet, as config.toml
configuration() {
  local host table list=
  for host in $hosts; do list+="  \"$host:443:127.0.0.1:$HTTPS_PORT\","$'\n'; done
  for table in run serve; do
    # What the fake does not play goes nowhere: there is no proxy at that address.
    printf '[%s]\nupstream_ca = "%s"\nupstream_proxy = "http://127.0.0.1:1"\nresolve = [\n%s]\n' "$table" "$CA" "$list"
  done
  printf 'port = %s\nproxy_port = %s\n' "$1" "$2"
}

# free_ports: two of them
free_ports() {
  "$AV_PYTHON" - <<'PY'
import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in taken))
PY
}

# run_page FILE: its blocks, as a script
run_page() {
  local page=$1 name api proxy home
  name=$(basename "$page" .md)
  home=${page#"$AV_ROOT/"}
  home=$OUT/pages/${home//\//-}
  mkdir -p "$home/.config/agent-vault" "$home/work"
  chmod 700 "$home/.config/agent-vault"
  read -r api proxy < <(free_ports)
  configuration "$api" "$proxy" >"$home/.config/agent-vault/config.toml"
  "$AV_PYTHON" "$SUPPORT/doc_blocks.py" "$page" |
    sed -e "s/\\b14321\\b/$api/g" -e "s/\\b14322\\b/$proxy/g" >"$home/page.sh"
  [ -s "$home/page.sh" ] || return 0
  : >"$UPSTREAM_LOG"
  (cd "$home/work" && env -u AGENT_VAULT_HOME HOME="$home" \
    bash -eu -o pipefail ../page.sh </dev/null >../page.out 2>../page.err) || {
    tail -n 40 "$home/page.out" "$home/page.err"
    fail "a block of $page failed"
  }
  ran=$((ran + 1))
  assert_absent "$UPSTREAM_LOG" av_ph_ # a placeholder that got out
  case " ${SENDING//$'\n'/ } " in
    *" $name "*)
      "$AV_PYTHON" "$SUPPORT/doc_blocks.py" --sent "$page" "$UPSTREAM_LOG" "$home/page.out" "$home/page.err" ||
        fail "$page: what was sent"
      ;;
  esac
}

ran=0
run_page "$AV_ROOT/README.md"
[ -s "$OUT/pages/README.md/.local/share/agent-vault/vault.db" ] || fail "the README's store is not where it says"
while IFS= read -r page; do run_page "$page"; done < <(find "$AV_ROOT/docs" -name '*.md' | sort)
[ "$ran" -ge 15 ] || fail "only $ran documents have blocks to run"
for name in $SENDING; do
  compgen -G "$OUT/pages/*-$name.md" >/dev/null || fail "no document named $name"
done
