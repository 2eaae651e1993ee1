#include "cmd/wrapped_shell.h"
#include "cmd/shell_word.h"

#include <algorithm>
#include <array>
#include <filesystem>

namespace av::cmd {
namespace {

constexpr std::string_view kBash = R"([ -r ~/.bashrc ] && . ~/.bashrc
PS1="(agent-vault) $PS1"
)";

// zsh looks for all of its files where ZDOTDIR says, and for each of them again.
std::string zsh_env(const std::string& user_directory, const std::string& ours) {
  return "ZDOTDIR=" + shell_word(user_directory) + "\n" +
         "[ -r \"$ZDOTDIR/.zshenv\" ] && . \"$ZDOTDIR/.zshenv\"\n" +
         "AGENT_VAULT_ZDOTDIR=$ZDOTDIR\nZDOTDIR=" + shell_word(ours) + "\n";
}
constexpr std::string_view kZsh = R"(ZDOTDIR=$AGENT_VAULT_ZDOTDIR
unset AGENT_VAULT_ZDOTDIR
[ -r "$ZDOTDIR/.zshrc" ] && . "$ZDOTDIR/.zshrc"
PROMPT="(agent-vault) $PROMPT"
)";

constexpr const char* kFish =
    "functions -q fish_prompt; and functions -c fish_prompt __agent_vault_prompt; "
    "function fish_prompt; echo -n '(agent-vault) '; "
    "functions -q __agent_vault_prompt; and __agent_vault_prompt; end";

}  // namespace

std::vector<std::string> own_shell(const EnvBlock& env) {
  const std::string shell(env.get("SHELL").value_or(""));
  return {shell.starts_with('/') ? shell : "/bin/sh"};
}

Status mark_prompt(std::vector<std::string>& argv, EnvBlock& env, const RunDirectory& directory) {
  const std::string name = std::filesystem::path(argv.front()).filename().string();
  if (name == "bash") {
    AV_TRY(const auto file, directory.write("bashrc", kBash));
    argv.insert(argv.end(), {"--rcfile", file.string(), "-i"});
  } else if (name == "zsh") {
    const std::string home(env.get("HOME").value_or(""));
    const std::string own(env.get("ZDOTDIR").value_or(home));
    const std::filesystem::path ours = directory.path() / "zsh";
    std::error_code ec;
    std::filesystem::create_directory(ours, ec);
    AV_TRY(const auto first, directory.write("zsh/.zshenv", zsh_env(own, ours.string())));
    AV_TRY(const auto second, directory.write("zsh/.zshrc", kZsh));
    env.set("ZDOTDIR", ours.native());
    argv.emplace_back("-i");
  } else if (name == "fish") {
    argv.insert(argv.end(), {"-C", kFish});
  } else {
    env.set("PS1", std::string(kPromptMark) + "$ ");
    static constexpr std::array kPosix{"sh", "dash", "ash", "ksh", "mksh"};
    if (std::find(kPosix.begin(), kPosix.end(), name) != kPosix.end()) {
      // Without job control: these want to give the terminal back to a process group that has no
      // number in the run.
      argv.insert(argv.end(), {"-i", "+m"});
    }
  }
  return {};
}

}  // namespace av::cmd
