#include "cmd/nested_sandbox.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "core/fs.h"

namespace av::cmd {
namespace {

using isolation::Level;

constexpr std::size_t kMostSettings = std::size_t{1} << 20;
constexpr std::string_view kInItsPlace =
    " cannot be set up inside this isolation level, which stands in its place: it is switched off";

// Words up to "--", behind which is what the agent is told.
std::vector<std::string> options_of(const std::vector<std::string>& argv) {
  return {argv.begin() + 1, std::find(argv.begin() + 1, argv.end(), "--")};
}

// What the user has chosen by settings: the narrowest of the file, whichever profile is in force.
std::string codex_setting(const EnvBlock& env) {
  const std::string own(env.get("CODEX_HOME").value_or(""));
  const std::filesystem::path home =
      own.empty() ? std::filesystem::path(std::string(env.get("HOME").value_or(""))) / ".codex"
                  : std::filesystem::path(own);
  const auto text = fs::read_file(home / "config.toml", kMostSettings);
  std::istringstream lines(text ? *text : std::string());
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t key = line.find_first_not_of(" \t");
    if (key == std::string::npos || line.compare(key, 12, "sandbox_mode") != 0) {
      continue;
    }
    for (const char* const each : {"workspace-write", "read-only"}) {
      if (line.find(each) != std::string::npos && found != "read-only") {
        found = each;
      }
    }
  }
  return found;
}

std::string codex_words(const std::vector<std::string>& options) {
  std::string chosen;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const std::string& word = options[i];
    const std::string next = i + 1 < options.size() ? options[i + 1] : std::string();
    if (word == "--dangerously-bypass-approvals-and-sandbox" || word == "--yolo") {
      return "danger-full-access";
    }
    if (word == "-s" || word == "--sandbox") {
      chosen = next;
    } else if (word.starts_with("--sandbox=")) {
      chosen = word.substr(word.find('=') + 1);
    } else if (word == "--full-auto") {
      chosen = "workspace-write";
    } else if ((word == "-c" || word == "--config") && next.starts_with("sandbox_mode")) {
      chosen = next.substr(next.find('=') + 1);
    }
  }
  return chosen;
}

// Codex has its sandbox by default.
NestedSandbox codex(const std::vector<std::string>& argv, const EnvBlock& env, Level level) {
  const std::string words = codex_words(options_of(argv));
  const std::string setting = codex_setting(env);
  if (words.find("danger-full-access") != std::string::npos) {
    return {argv, {}};
  }
  const bool narrower = words.empty() && setting == "read-only";
  if (level < Level::kStrict || !words.empty() || narrower) {
    const std::string which = !words.empty() ? " (" + words + ")" : narrower ? " (read-only)" : "";
    return {argv, "codex's own sandbox" + which +
                      " cannot be set up inside this isolation level: what codex runs will fail; "
                      "--isolation strict stands in its place, or say that codex may go without: "
                      "-s danger-full-access"};
  }
  NestedSandbox out{argv, "codex's own sandbox" + std::string(kInItsPlace)};
  out.argv.insert(out.argv.begin() + 1, {"-c", "sandbox_mode=\"danger-full-access\""});
  return out;
}

bool switches_sandbox_on(const std::filesystem::path& file) {
  const auto text = fs::read_file(file, kMostSettings);
  const auto settings = text ? nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false,
                                                     /*ignore_comments=*/true)
                             : nlohmann::json();
  const auto sandbox = settings.is_object() ? settings.find("sandbox") : settings.end();
  return settings.is_object() && sandbox != settings.end() && sandbox->is_object() &&
         sandbox->contains("enabled") && sandbox->at("enabled") == true;
}

// Claude Code has one where its settings say so.
NestedSandbox claude(const std::vector<std::string>& argv, const EnvBlock& env, Level level) {
  const std::string own(env.get("CLAUDE_CONFIG_DIR").value_or(""));
  const std::filesystem::path home =
      own.empty() ? std::filesystem::path(std::string(env.get("HOME").value_or(""))) / ".claude"
                  : std::filesystem::path(own);
  const std::array files = {home / "settings.json", std::filesystem::path(".claude/settings.json"),
                            std::filesystem::path(".claude/settings.local.json")};
  if (std::none_of(files.begin(), files.end(), switches_sandbox_on)) {
    return {argv, {}};
  }
  const std::vector<std::string> options = options_of(argv);
  const bool given = std::any_of(options.begin(), options.end(), [](const std::string& word) {
    return word.starts_with("--settings");
  });
  if (given || level < Level::kStrict) {
    return {argv,
            "claude's own sandbox cannot be set up inside this isolation level: --isolation strict "
            "stands in its place, or say \"sandbox\":{\"enabled\":false} in --settings"};
  }
  NestedSandbox out{argv, "claude's own sandbox" + std::string(kInItsPlace)};
  out.argv.insert(out.argv.begin() + 1, {"--settings", R"({"sandbox":{"enabled":false}})"});
  return out;
}

}  // namespace

bool can_nest(isolation::Level level, bool root) {
  switch (level) {
    case isolation::Level::kOff:
      return true;
    case isolation::Level::kStore:
    case isolation::Level::kNetwork:
      return !root;
    case isolation::Level::kLandlock:
    case isolation::Level::kStrict:
      return false;
  }
  return false;
}

NestedSandbox settle_own_sandbox(const std::vector<std::string>& argv, const EnvBlock& env,
                                 isolation::Level level) {
  const std::string name = std::filesystem::path(argv.front()).filename().string();
  if (name == "codex") {
    return codex(argv, env, level);
  }
  if (name == "claude") {
    return claude(argv, env, level);
  }
  return {argv, {}};
}

}  // namespace av::cmd
