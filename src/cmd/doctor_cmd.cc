// `doctor`: whether everything is as it should be, and what to type where it is not.

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cmd/cli.h"
#include "cmd/doctor.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/own_program.h"
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

// Where AppArmor keeps user namespaces from programs that it does not know
// (kernel.apparmor_restrict_unprivileged_userns): a profile that restricts nothing, as those which
// Ubuntu has for browsers (apparmor.d(5)).
Expected<int> print_apparmor_profile(const Context& context) {
  AV_TRY(const std::filesystem::path program, own_program());
  if (const Check check = check_program(); check.state == CheckState::kFailed) {
    return make_error(
        ErrorCode::kNotPermitted,
        "a profile for " + program.string() + " would be for whoever replaces it: " + check.detail,
        check.fix);
  }
  std::string path;
  for (const char c : program.native()) {
    if (static_cast<unsigned char>(c) < 0x20) {
      return make_error(ErrorCode::kInvalid, "the path of this program has control characters",
                        "install it elsewhere");
    }
    path += std::string_view("\"\\*?[]{}^,@").find(c) == std::string_view::npos ? "" : "\\";
    path += c;
  }
  print(context.out,
        "abi <abi/4.0>,\n"
        "include <tunables/global>\n\n"
        "profile agent-vault \"" +
            path +
            "\" flags=(unconfined) {\n"
            "  userns,\n\n"
            "  include if exists <local/agent-vault>\n"
            "}\n");
  return 0;
}

Run set_up(OptionSet& app) {
  const auto profile = std::make_shared<bool>(false);
  app.add_flag("--apparmor-profile", *profile,
               "print a profile that lets this program make user namespaces, and do nothing else");
  return [profile](Context& context) {
    return *profile ? print_apparmor_profile(context) : examine(context);
  };
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
