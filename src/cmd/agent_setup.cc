#include "cmd/agent_setup.h"
#include "cmd/path_facts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace av::cmd {
namespace {

constexpr std::string_view kSkill = R"(---
name: agent-vault
description: How to call APIs that need credentials in this environment. Read it before asking for an API key or a token, and when a request fails with X-Agent-Vault-Proxy-Error.
---
<!-- installed by agent-vault for the time of a run -->

# Credentials in this environment

You hold no real credentials. Variables such as OPENAI_API_KEY carry worthless placeholders. A proxy
(HTTPS_PROXY, already set) puts the real credential into each request to a service that it knows.

* Make requests as usual, with your ordinary tools, without unsetting the proxy or CA variables.
  Whatever you put into the authentication slot is replaced.
* Do not ask the user for keys and do not look for them: there are none within your reach.

## Which services there are

    curl -s "$AGENT_VAULT_ADDR/discover" -H "Authorization: Bearer $AGENT_VAULT_TOKEN"

## When a request fails

Answers of the proxy itself carry `X-Agent-Vault-Proxy-Error: true` and a JSON body
`{"error": CODE, "message": ..., "help": ...}`. Read `help`, it says what to do.

* `407`: the client did not use the credentials in HTTPS_PROXY; use the variable as it is.
* `403`: policy does not allow this host, path or method. Where `proposal_hint` is present, you can
  ask for it: see below.
* `502`, `504`: the upstream could not be reached; try again later.
* `x-should-retry: false`: the same request will fail again.

Errors without that header come from the service itself.

## Asking for access

`proposal_hint.body` is a proposal that fits the request that failed. Take it, say in `user_message`
why you need it, make it as narrow as you can (`"host": "api.example.com/v1/orders/*"`,
`"methods": ["GET"]`), and send it:

    curl -s -X POST "$AGENT_VAULT_ADDR/v1/proposals" -H "Authorization: Bearer $AGENT_VAULT_TOKEN" \
      -H 'Content-Type: application/json' -d '{"services": [{"host": "api.example.com/v1/orders/*",
        "methods": ["GET"], "auth": {"type": "bearer", "token": "EXAMPLE_KEY"}}],
        "credentials": [{"key": "EXAMPLE_KEY", "description": "what it is",
        "obtain": "https://example.com/where-to-get-it"}], "user_message": "why"}'

The answer has an `id` and an `approval_url`: give the URL to the user, who decides and enters the key.
You never see it. Then wait, half a minute at a time, until `status` is no longer `pending`:

    curl -s "$AGENT_VAULT_ADDR/v1/proposals/ID?wait=30" -H "Authorization: Bearer $AGENT_VAULT_TOKEN"

`applied`: try your request again; it may have been allowed for less than you asked. `rejected`: read
`review_note`, and do not ask for the same again. `expired`: nobody decided. You cannot decide
yourself, and there is no way around it. A key that you made yourself goes into `"value"` of its
credential. To be rid of one: `{"action": "delete", "key": "OLD_KEY"}`.
)";
constexpr const char* kSkillDirectory = "agent-vault";
// By this line a file is known to be ours.
constexpr std::string_view kSkillMark = "<!-- installed by agent-vault for the time of a run -->";

// Stands where a login would, so that there is something to cover. Codex reads it as no login.
constexpr std::string_view kNoLogin =
    "{\"OPENAI_API_KEY\":null,\"agent_vault\":\"in place for the time of a run\"}\n";

std::filesystem::path home_of(const EnvBlock& env) {
  return std::filesystem::path(std::string(env.get("HOME").value_or("")));
}

// Codex takes the key from the environment only in `codex exec`.
bool is_codex_exec(const std::vector<std::string>& argv) {
  return std::any_of(argv.begin() + 1, argv.end(), [](const std::string& word) {
    return word == "exec" || word == "e" || word == "review";
  });
}

// A home for Codex in which everything but the login is the user's own.
Status link_entries(const std::filesystem::path& from, const std::filesystem::path& to,
                    std::string_view except) {
  std::error_code ec;
  std::filesystem::create_directory(to, ec);
  if (ec) {
    return errno_error(ec.value(), "cannot create " + to.string());
  }
  std::filesystem::directory_iterator entry(from, ec);
  for (; !ec && entry != std::filesystem::directory_iterator(); entry.increment(ec)) {
    const auto name = entry->path().filename();
    if (name != except) {
      std::error_code failed;
      std::filesystem::create_symlink(entry->path(), to / name, failed);
      if (failed) {
        return errno_error(failed.value(), "cannot link " + name.string());
      }
    }
  }
  return {};
}

}  // namespace

std::string_view skill_text() {
  return kSkill;
}

Expected<AgentSetup> AgentSetup::create(const AgentRequest& request, EnvBlock& env) {
  AgentSetup setup;
  const std::string name = std::filesystem::path(request.argv.front()).filename().string();
  const std::filesystem::path home = home_of(env);
  if (home.empty()) {
    return setup;
  }
  std::vector<std::filesystem::path> skills;
  if (name == "codex") {
    AV_CHECK(setup.set_up_codex(request, env));
    skills = {home / ".agents/skills", home / ".codex/skills"};
  } else if (name == "claude") {
    AV_CHECK(setup.set_up_claude(request, env));
    skills = {home / ".claude/skills"};
  } else if (name == "cursor-agent" || name == "cursor") {
    skills = {home / ".cursor/skills"};
  }
  const auto place = std::find_if(skills.begin(), skills.end(), is_folder);
  if (request.skill && place != skills.end()) {
    setup.install_skill(*place);
  }
  return setup;
}

Status AgentSetup::set_up_codex(const AgentRequest& request, EnvBlock& env) {
  const std::string* const key =
      placeholder_in(request.snapshot, request.placeholders, "OPENAI_API_KEY");
  const bool subscribed = request.logins.codex.has_value();
  if (key == nullptr && !subscribed) {
    return {};
  }
  if (!subscribed) {
    env.set("CODEX_API_KEY", *key);
  }
  const auto own = env.get("CODEX_HOME");
  std::filesystem::path codex_home =
      own && !own->empty() ? std::filesystem::path(std::string(*own)) : home_of(env) / ".codex";
  if (!codex_home.has_filename()) {
    codex_home = codex_home.parent_path();
  }
  const std::string login =
      subscribed ? codex_auth_file(*request.logins.codex, request.now_ms)
                 : nlohmann::json{{"auth_mode", "apikey"}, {"OPENAI_API_KEY", *key}}.dump();
  if (isolation::has_namespaces(request.level)) {
    place_codex_login(codex_home);
    if (is_there(codex_home / "auth.json")) {
      AV_TRY(auto replacement, request.directory.write("codex-auth.json", login));
      masked_.push_back({codex_home / "auth.json", std::move(replacement)});
      return {};
    }
  }
  if (!subscribed && is_codex_exec(request.argv)) {
    return {};
  }
  // What the agent makes new in this home ends with the run: to copy it would be to follow links
  // that it made.
  const std::filesystem::path stand_in = request.directory.path() / "codex";
  AV_CHECK(link_entries(codex_home, stand_in, "auth.json"));
  AV_TRY(const auto written, request.directory.write("codex/auth.json", login));
  env.set("CODEX_HOME", stand_in.native());
  return {};
}

// Only what exists can be masked.
void AgentSetup::place_codex_login(const std::filesystem::path& codex_home) {
  const UniqueFd above = open_own_directory(codex_home.parent_path());
  UniqueFd directory = above.valid()
                           ? open_own_directory_in(above, codex_home.filename().c_str(), 0700)
                           : open_own_directory(codex_home);
  if (directory.valid()) {
    auto file = SharedFile::place(std::move(directory), "auth.json", {kNoLogin, kNoLogin, 0600});
    if (file) {
      codex_login_.emplace(std::move(*file));
    }
  }
}

Status AgentSetup::set_up_claude(const AgentRequest& request, EnvBlock& env) {
  const std::optional<AgentLogin>& subscription = request.logins.claude;
  if (!subscription &&
      placeholder_in(request.snapshot, request.placeholders, "ANTHROPIC_API_KEY") == nullptr) {
    return {};
  }
  std::string stand_in = "{}\n";
  if (subscription) {
    stand_in = claude_credentials_file(*subscription, request.now_ms);
    // A key would win over the login, and be asked about.
    env.unset("ANTHROPIC_API_KEY");
    env.unset("ANTHROPIC_AUTH_TOKEN");
  }
  const auto own = env.get("CLAUDE_CONFIG_DIR");
  const std::filesystem::path directory =
      own && !own->empty() ? std::filesystem::path(std::string(*own)) : home_of(env) / ".claude";
  const auto login = directory / ".credentials.json";
  if (is_there(login) && isolation::has_namespaces(request.level)) {
    AV_TRY(auto replacement, request.directory.write("claude-credentials.json", stand_in));
    masked_.push_back({login, std::move(replacement)});
  } else if (subscription) {
    env.set("CLAUDE_CODE_OAUTH_TOKEN", claude_access_token(*subscription));
  }
  return {};
}

// A skill that cannot be installed is no reason not to run: the proxy serves the same text.
void AgentSetup::install_skill(const std::filesystem::path& skills) {
  skills_ = open_own_directory(skills);
  if (!skills_.valid()) {
    return;
  }
  UniqueFd directory = open_own_directory_in(skills_, kSkillDirectory, 0755);
  if (directory.valid()) {
    auto file = SharedFile::place(std::move(directory), "SKILL.md", {kSkill, kSkillMark, 0644});
    if (file) {
      skill_.emplace(std::move(*file));
    }
  }
}

AgentSetup::~AgentSetup() {
  if (skill_) {
    skill_.reset();
    // Stays when something is in it.
    ::unlinkat(skills_.get(), kSkillDirectory, AT_REMOVEDIR);
  }
}

}  // namespace av::cmd
