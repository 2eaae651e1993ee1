// Helper programs of the owner: git's protocol for credential helpers (git-credential(1), 2.45), or
// a program that prints one value. The program and its arguments are fixed when the store is
// paired; a reference only says what is asked for.

#include <algorithm>
#include <array>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/helper_answer.h"
#include "source/local_kinds.h"
#include "source/program_setting.h"
#include "vault/json_view.h"

namespace av::source {
namespace {

using vault::JsonDocument;
using vault::JsonView;

constexpr std::string_view kScheme = "cmd://";
constexpr std::size_t kMostName = 512;
constexpr std::size_t kMostValue = std::size_t{64} << 10;
constexpr std::string_view kGit = "git-credential";
constexpr std::string_view kValue = "value";

constexpr std::array kSettings = {
    Setting{.name = "program",
            .help = "the helper, a name or an absolute path",
            .required = true,
            .program = true},
    Setting{.name = "args",
            .help = "its arguments, a JSON array of strings; \"{}\" stands for what is asked for",
            .fallback = "[]"},
    Setting{.name = "protocol",
            .help = "git-credential (asked with `get`), or value (prints the value)",
            .fallback = "git-credential"},
    Setting{.name = "secret",
            .help = "what the helper itself needs to log in, given to it in secret_variable",
            .secret = true},
    Setting{.name = "secret_variable",
            .help = "the environment variable in which the helper finds its secret"},
    kIsolationSetting,
    share_setting({})};

bool name_char(char c) {
  return ascii::is_unreserved(c) || c == ':' || c == '/' || c == '@';
}

Result<Reference> parse(std::string_view text) {
  text.remove_prefix(std::min(kScheme.size(), text.size()));
  const std::size_t mark = text.find('#');
  const std::string_view name = text.substr(0, mark);
  const bool good = !name.empty() && name.size() <= kMostName && name.front() != '-' &&
                    name.front() != '/' && std::all_of(name.begin(), name.end(), name_char) &&
                    ("/" + std::string(name) + "/").find("/../") == std::string::npos;
  if (!good) {
    return failure(Failure::Why::kInvalid,
                   "the reference does not say what to ask the helper for in letters, digits, "
                   "\"-._~:@\" and \"/\"",
                   "cmd://HOST, cmd://HOST/PATH or cmd://NAME");
  }
  Reference out;
  out.item = std::string(name);
  if (mark != std::string_view::npos) {
    out.field = std::string(text.substr(mark + 1));
    if (out.field != "username" && out.field != "password") {
      return failure(Failure::Why::kInvalid, "behind \"#\" stands username or password");
    }
    if (out.field == "password") {
      out.field.clear();
    }
  }
  return out;
}

class Helper final : public Provider {
 public:
  struct Plan {
    Program program;
    std::vector<std::string> arguments;
    bool git = true;
    Secret secret;
    std::string variable;
  };
  Helper(Plan plan, const Ports& ports) : plan_(std::move(plan)), ports_(ports) {}

  // There is nothing that every helper answers: what can be said is that it is there.
  Result<About> pair() override { return who(); }
  Result<About> test() override { return who(); }

  Result<Record> fetch(const std::string& item) override {
    AV_TRY(CommandOutcome outcome, asked(item));
    if (outcome.exit_code != 0) {
      const std::string words = excerpt(outcome.errors);
      return failure(Failure::Why::kMalformed, "the helper has failed with exit code " +
                                                   std::to_string(outcome.exit_code) +
                                                   (words.empty() ? "" : ": " + words));
    }
    if (plan_.git) {
      return helper_record(outcome.output, ports_.clock->wall_ms());
    }
    const std::size_t size = outcome.output.reveal([](std::string_view bytes) {
      return bytes.size() - (bytes.ends_with("\r\n") ? 2U : bytes.ends_with('\n') ? 1U : 0U);
    });
    outcome.output.truncate(size);
    if (size == 0) {
      return failure(Failure::Why::kNotFound, "the helper has printed nothing");
    }
    Record out;
    out.fields.emplace(std::string(), std::move(outcome.output));
    return out;
  }

  [[nodiscard]] std::string item_of_host(std::string_view host) const override {
    return plan_.git ? std::string(host) : std::string();
  }

 private:
  Result<CommandOutcome> asked(const std::string& item) const {
    Command command = plan_.program.command();
    command.most_output = kMostValue;
    for (const std::string& argument : plan_.arguments) {
      command.arguments.push_back(argument == "{}" ? item : argument);
    }
    if (!plan_.secret.empty()) {
      auto secret = plan_.secret.clone();
      if (!secret) {
        return failure(Failure::Why::kMalformed, "the protected memory for secrets is full");
      }
      command.environment.emplace_back(plan_.variable, std::move(*secret));
    }
    if (plan_.git) {
      command.arguments.emplace_back("get");
      const std::size_t slash = item.find('/');
      command.input.append("protocol=https\nhost=" + item.substr(0, slash) + "\n");
      if (slash != std::string::npos && slash + 1 < item.size()) {
        command.input.append("path=" + item.substr(slash + 1) + "\n");
      }
      command.input.append("\n");
    }
    return ports_.processes->run(command);
  }

  Result<About> who() const {
    About out;
    out.account = encoding::printable(excerpt(plan_.program.path));
    out.detail = plan_.git ? "asked for passwords by host" : "prints values";
    return out;
  }

  const Plan plan_;
  const Ports ports_;
};

Result<std::vector<std::string>> arguments_of(const std::string& text) {
  std::vector<std::string> out;
  const auto document = JsonDocument::parse(text.empty() ? std::string_view("[]") : text);
  bool good = document && document->root().is(JsonView::Kind::kArray);
  if (good) {
    for (const JsonView& entry : document->root().children()) {
      out.push_back(entry.text());
      good = good && entry.is(JsonView::Kind::kString) && out.back().size() <= 4096 &&
             out.back().find('\0') == std::string::npos && out.size() <= 64;
    }
  }
  if (!good) {
    return failure(Failure::Why::kInvalid, "args is no JSON array of at most 64 strings",
                   R"(--set 'args=["--profile", "work"]')");
  }
  return out;
}

bool variable_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && !ascii::is_digit(name.front()) &&
         std::all_of(name.begin(), name.end(), ascii::is_word) && !name.starts_with("LD_") &&
         name != "PATH";
}

Result<std::unique_ptr<Provider>> make(const vault::ExternalStore& store,
                                       vault::StoreSecrets secrets, const Ports& ports) {
  Helper::Plan plan;
  AV_TRY(plan.program, program_setting(store, "program"));
  AV_TRY(plan.arguments, arguments_of(setting(store, "args")));
  const std::string protocol = setting(store, "protocol");
  if (!protocol.empty() && protocol != kGit && protocol != kValue) {
    return failure(Failure::Why::kInvalid, "protocol is git-credential or value");
  }
  plan.git = protocol != kValue;
  const auto secret = secrets.find("secret");
  if (secret != secrets.end() && !secret->second.empty()) {
    plan.secret = std::move(secret->second);
    plan.variable = setting(store, "secret_variable");
    if (!variable_name(plan.variable)) {
      return failure(Failure::Why::kInvalid,
                     "the helper's secret needs an environment variable to stand in",
                     "--set secret_variable=NAME");
    }
  }
  return std::unique_ptr<Provider>(std::make_unique<Helper>(std::move(plan), ports));
}

}  // namespace

const Kind kCmd = {.id = "cmd",
                   .title = "Helper program",
                   .scheme = "cmd",
                   .example = "cmd://github.com#username",
                   .settings = kSettings,
                   .parse = &parse,
                   .make = &make,
                   .finds_by_host = true};

}  // namespace av::source
