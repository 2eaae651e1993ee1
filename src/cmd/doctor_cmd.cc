// `doctor`: whether everything is as it should be, and what to type where it is not.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "cmd/cli.h"
#include "cmd/doctor.h"
#include "cmd/output.h"
#include "core/encoding.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

void print_checks(const Context& context, const std::vector<Check>& checks) {
  Table table({"CHECK", "STATE", "DETAIL"});
  for (const Check& check : checks) {
    table.add({check.name, std::string(to_string(check.state)), check.detail});
  }
  table.print(context.out);
  for (const Check& check : checks) {
    if (!check.fix.empty()) {
      notice(context, check.name + ": " + encoding::printable(check.fix));
    }
  }
}

void print_json(const Context& context, const std::vector<Check>& checks, bool good) {
  Json list = Json::array();
  for (const Check& check : checks) {
    Json one = {{"check", check.name},
                {"state", to_string(check.state)},
                {"detail", encoding::printable(check.detail)}};
    if (!check.fix.empty()) {
      one["fix"] = encoding::printable(check.fix);
    }
    list.push_back(std::move(one));
  }
  print(context.out, Json{{"ok", good}, {"checks", list}}.dump() + "\n");
}

Expected<int> examine(Context& context) {
  if (context.paths.data.empty()) {
    AV_TRY(context.paths, fs::default_paths());
  }
  std::vector<Check> checks{check_program()};
  const auto add = [&](std::vector<Check> more) {
    std::move(more.begin(), more.end(), std::back_inserter(checks));
  };
  // First, because it forks: nothing secret is here yet, and no thread.
  add(check_isolation(context));
  add(check_machine(context));
  add(check_store(context));
  checks.push_back(check_proxy(context));
  add(check_external(context));
  const bool good = std::none_of(checks.begin(), checks.end(), [](const Check& check) {
    return check.state == CheckState::kFailed;
  });
  if (context.json) {
    print_json(context, checks, good);
  } else {
    print_checks(context, checks);
  }
  return good ? 0 : 1;
}

Run set_up(OptionSet&) {
  return examine;
}

constexpr std::array kCommands{
    Command{"doctor", "check the installation, and attack each isolation level", Needs::kNothing,
            &set_up, true, true},
};

}  // namespace

std::span<const Command> doctor_commands() {
  return kCommands;
}

}  // namespace av::cmd
