// `shell-init`: functions by which typing the name of an agent runs it wrapped.

#include <array>
#include <cstdlib>
#include <filesystem>

#include "cmd/cli.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/own_program.h"
#include "cmd/run_config.h"
#include "cmd/shell_word.h"
#include "cmd/strict_tables.h"

namespace av::cmd {
namespace {

struct InitOptions {
  std::string shell;
  std::vector<std::string> wrap;
};

// What may be the name of a function in three shells, and needs no quotes in any.
bool is_plain_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '+';
  };
  return !name.empty() && name.front() != '-' && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_plain);
}

// fish reads a backslash within single quotes.
std::string fish_word(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? "\\'" : c == '\\' ? "\\\\" : std::string(1, c);
  }
  return out + "'";
}

// Inside of a run the agent itself is meant: a run cannot be started there.
std::string bourne_function(const std::string& program, const std::string& name) {
  return "if command -v " + name + " >/dev/null 2>&1; then\n" +                          //
         "  unalias " + name + " 2>/dev/null\n" +                                        //
         "  function " + name + " {\n" +                                                 //
         "    if [ -n \"${AGENT_VAULT_RUN:-}\" ]; then command " + name + " \"$@\"\n" +  //
         "    else " + program + " run -- " + name + " \"$@\"; fi\n" +                   //
         "  }\nfi\n";
}

std::string fish_function(const std::string& program, const std::string& name) {
  return "if type -q " + name + "\n" +                                    //
         "  function " + name + " --wraps " + name + "\n" +               //
         "    if set -q AGENT_VAULT_RUN; command " + name + " $argv\n" +  //
         "    else; " + program + " run -- " + name + " $argv; end\n  end\nend\n";
}

Expected<std::string> shell_of(const InitOptions& options) {
  std::string shell = options.shell;
  if (shell.empty()) {
    const char* const own = std::getenv("SHELL");
    shell = own != nullptr ? std::filesystem::path(own).filename().string() : "";
  }
  if (shell != "bash" && shell != "zsh" && shell != "fish") {
    return make_error(ErrorCode::kUsage, "there are no functions for the shell '" + shell + "'",
                      "agent-vault shell-init bash|zsh|fish");
  }
  return shell;
}

Expected<std::vector<std::string>> programs_of(Context& context, const InitOptions& options) {
  std::vector<std::string> programs = options.wrap;
  if (programs.empty()) {
    if (context.paths.data.empty()) {
      AV_TRY(context.paths, fs::default_paths());
    }
    AV_TRY(programs, read_wrapped_programs(context.paths.config_file()));
  }
  if (programs.empty()) {
    for (const Profile& profile : kProfiles) {
      programs.emplace_back(profile.program);
    }
  }
  for (const std::string& name : programs) {
    if (!is_plain_name(name)) {
      return make_error(ErrorCode::kUsage, "'" + name + "' cannot be the name of a function",
                        "give the name under which the program is on PATH");
    }
  }
  return programs;
}

Expected<int> print_functions(Context& context, const InitOptions& options) {
  AV_TRY(const std::string shell, shell_of(options));
  AV_TRY(const auto programs, programs_of(context, options));
  // By its path: another program of that name on PATH would be given everything.
  AV_TRY(const std::filesystem::path own, own_program());
  const bool fish = shell == "fish";
  std::string out;
  for (const std::string& name : programs) {
    out += fish ? fish_function(fish_word(own.native()), name)
                : bourne_function(shell_word(own.native()), name);
  }
  print(context.out, out);
  return 0;
}

Run set_up(OptionSet& app) {
  const auto options = std::make_shared<InitOptions>();
  app.add_option("SHELL", options->shell, "bash, zsh or fish (default: by the variable SHELL)");
  app.add_option("--wrap", options->wrap,
                 "wrap this program (default: those of [shell] wrap, else all known agents); "
                 "repeatable")
      ->type_name("NAME")
      ->repeatable();
  return [options](Context& context) { return print_functions(context, *options); };
}

constexpr std::array kCommands{
    Command{"shell-init",
            "print functions that run agents wrapped, for eval in a shell's start file",
            Needs::kNothing, &set_up},
};

}  // namespace

std::span<const Command> shell_init_commands() {
  return kCommands;
}

}  // namespace av::cmd
