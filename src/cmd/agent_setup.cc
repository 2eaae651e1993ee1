#include "cmd/agent_setup.h"

#include <fcntl.h>
#include <sys/file.h>
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
* `403`: policy does not allow this host, path or method. Tell the user what you need and why;
  `proposal_hint`, when present, says how to ask for it.
* `502`, `504`: the upstream could not be reached; try again later.
* `x-should-retry: false`: the same request will fail again.

Errors without that header come from the service itself.
)";
// By this line a file is known to be ours.
constexpr std::string_view kSkillMark = "<!-- installed by agent-vault for the time of a run -->";

std::filesystem::path home_of(const EnvBlock& env) {
  return std::filesystem::path(std::string(env.get("HOME").value_or("")));
}

bool file_exists(const std::filesystem::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

bool is_directory(const std::filesystem::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
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
  for (const auto& entry : std::filesystem::directory_iterator(from, ec)) {
    const auto name = entry.path().filename();
    if (name != except) {
      std::error_code failed;
      std::filesystem::create_symlink(entry.path(), to / name, failed);
      if (failed) {
        return errno_error(failed.value(), "cannot link " + name.string());
      }
    }
  }
  return {};
}

// What the agent made new in its stand-in home goes where it would have gone.
void keep_new_entries(const std::filesystem::path& stand_in, const std::filesystem::path& real) {
  std::error_code ec;
  std::filesystem::create_directory(real, ec);
  for (const auto& entry : std::filesystem::directory_iterator(stand_in, ec)) {
    const auto target = real / entry.path().filename();
    std::error_code failed;
    const bool ours = entry.is_symlink(failed) || entry.path().filename() == "auth.json";
    if (!ours && !std::filesystem::exists(std::filesystem::symlink_status(target, failed))) {
      std::filesystem::copy(
          entry.path(), target,
          std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks,
          failed);
    }
  }
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
  const auto place = std::find_if(skills.begin(), skills.end(), is_directory);
  if (request.skill && place != skills.end()) {
    setup.install_skill(*place);
  }
  return setup;
}

Status AgentSetup::set_up_codex(const AgentRequest& request, EnvBlock& env) {
  const std::string* const key =
      placeholder_in(request.snapshot, request.placeholders, "OPENAI_API_KEY");
  if (key == nullptr) {
    return {};
  }
  env.set("CODEX_API_KEY", *key);
  const auto own = env.get("CODEX_HOME");
  const std::filesystem::path codex_home =
      own && !own->empty() ? std::filesystem::path(std::string(*own)) : home_of(env) / ".codex";
  const std::string login =
      nlohmann::json{{"auth_mode", "apikey"}, {"OPENAI_API_KEY", *key}}.dump();
  if (file_exists(codex_home / "auth.json") && request.level != isolation::Level::kOff) {
    AV_TRY(auto replacement, request.directory.write("codex-auth.json", login));
    masked_.push_back({codex_home / "auth.json", std::move(replacement)});
    return {};
  }
  if (is_codex_exec(request.argv)) {
    return {};
  }
  const std::filesystem::path stand_in = request.directory.path() / "codex";
  AV_CHECK(link_entries(codex_home, stand_in, "auth.json"));
  AV_TRY(const auto written, request.directory.write("codex/auth.json", login));
  env.set("CODEX_HOME", stand_in.native());
  stand_in_home_ = stand_in;
  real_home_ = codex_home;
  return {};
}

Status AgentSetup::set_up_claude(const AgentRequest& request, EnvBlock& env) {
  if (placeholder_in(request.snapshot, request.placeholders, "ANTHROPIC_API_KEY") == nullptr) {
    return {};
  }
  const auto own = env.get("CLAUDE_CONFIG_DIR");
  const std::filesystem::path directory =
      own && !own->empty() ? std::filesystem::path(std::string(*own)) : home_of(env) / ".claude";
  const auto login = directory / ".credentials.json";
  if (file_exists(login) && request.level != isolation::Level::kOff) {
    AV_TRY(auto replacement, request.directory.write("claude-credentials.json", "{}\n"));
    masked_.push_back({login, std::move(replacement)});
  }
  return {};
}

// A skill that cannot be installed is no reason not to run: the proxy serves the same text.
void AgentSetup::install_skill(const std::filesystem::path& skills) {
  const std::filesystem::path file = skills / "agent-vault" / "SKILL.md";
  std::error_code ec;
  std::filesystem::create_directory(file.parent_path(), ec);
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd.valid() || ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0) {
    return;
  }
  const auto present = fs::read_file(file, std::size_t{1} << 20);
  if (!present || (!present->empty() && present->find(kSkillMark) == std::string::npos)) {
    return;
  }
  if (*present != kSkill && (::ftruncate(fd.get(), 0) != 0 || !fs::write_all(fd.get(), kSkill))) {
    return;
  }
  skill_file_ = file;
  skill_lock_ = std::move(fd);
}

AgentSetup::~AgentSetup() {
  if (skill_lock_.valid() && ::flock(skill_lock_.get(), LOCK_EX | LOCK_NB) == 0) {
    ::unlink(skill_file_.c_str());
    ::rmdir(skill_file_.parent_path().c_str());
  }
  if (!stand_in_home_.empty()) {
    keep_new_entries(stand_in_home_, real_home_);
  }
}

}  // namespace av::cmd
