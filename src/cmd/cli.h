#pragma once
// From words to a command that ran: finds the row of the table, lets an OptionSet parse the rest,
// prepares what the row needs, runs it, prints the error if there is one.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/command.h"
#include "cmd/option_set.h"

namespace av::cmd {

struct Arguments {
  std::vector<std::string> words;  // without the program's name
  std::vector<Secret> values;      // see Context::argv_values
};

// Takes the values of `credential set KEY=VALUE` and `proposal approve` out of argv, overwriting
// them there, so that they leave the process list as soon as we run. The words keep "KEY=".
[[nodiscard]] Expected<Arguments> take_arguments(int argc, char** argv);

// Returns the exit code.
int run_cli(Context& context, Arguments arguments);

// A group of commands ("vault credential") or an alias of one ("vault run" for "run").
struct Group {
  std::string_view path;
  std::string_view summary;
};
std::span<const Group> command_groups();
struct Alias {
  std::string_view path;
  std::string_view target;  // a command or a group
};
std::span<const Alias> command_aliases();

// A parser with the options of one command, the common ones included, and what to run.
struct Parser {
  std::unique_ptr<OptionSet> options;
  Run run;
  // Where --vault, --json and --local end up.
  std::shared_ptr<std::string> vault;
  std::shared_ptr<bool> json;
  std::shared_ptr<bool> local;
};
[[nodiscard]] Parser make_parser(const Command& command);

// Builders for the errors that commands give themselves.
[[nodiscard]] Error usage_error(std::string message, std::string hint = {});

}  // namespace av::cmd
