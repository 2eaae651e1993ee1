#include "source/onepassword.h"

#include <algorithm>
#include <array>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/op_errors.h"
#include "source/op_items.h"
#include "source/op_reference.h"
#include "source/program_setting.h"
#include "vault/json_view.h"

namespace av::source {
namespace {

using vault::JsonDocument;
using vault::JsonView;

constexpr std::size_t kMostToken = std::size_t{8} << 10;
constexpr std::size_t kMostValue = std::size_t{64} << 10;
constexpr std::size_t kMostListing = std::size_t{1} << 20;

constexpr std::array kSettings = {Setting{.name = "token",
                                          .help = "token of a service account (ops_...)",
                                          .secret = true,
                                          .required = true,
                                          .variable = "OP_SERVICE_ACCOUNT_TOKEN"},
                                  Setting{.name = "program",
                                          .help = "the op program, a name or an absolute path",
                                          .fallback = "op",
                                          .program = true},
                                  kIsolationSetting};

bool good_token(const Secret& token) {
  return token.size() <= kMostToken && token.reveal([](std::string_view bytes) {
    return bytes.starts_with("ops_") && std::all_of(bytes.begin(), bytes.end(), [](char c) {
             return ascii::is_word(c) ||
                    std::string_view("-+/=.").find(c) != std::string_view::npos;
           });
  });
}

Failure malformed(std::string_view what) {
  return failure(Failure::Why::kMalformed,
                 "op's answer to `op " + std::string(what) + "` cannot be read",
                 "is it op 2.18 or newer? `op --version`");
}

class OnePassword final : public Provider {
 public:
  OnePassword(Program program, Secret token, const Ports& ports)
      : program_(std::move(program)), token_(std::move(token)), ports_(ports) {}

  Result<About> pair() override { return who(); }
  Result<About> test() override { return who(); }

  Result<Record> fetch(const std::string& item) override {
    AV_TRY(Command command, prepared({"read", "--no-newline", "op://" + item}, kMostValue));
    AV_TRY(CommandOutcome outcome, ports_.processes->run(command));
    if (outcome.exit_code != 0) {
      return op_failure(outcome.errors);
    }
    if (outcome.output.empty()) {
      return failure(Failure::Why::kNotFound, "the field is empty");
    }
    Record out;
    out.fields.emplace(std::string(), std::move(outcome.output));
    if (item.ends_with("?attribute=otp")) {
      out.keep_ms = until_next_code(ports_.clock->wall_ms());
    }
    return out;
  }

  Result<std::vector<Listed>> list(const std::string& reference) override {
    if (reference.empty()) {
      return listed({"vault", "list", "--format", "json"}, "vault list", &op_vaults);
    }
    AV_TRY(const OpReference above, parse_op_folder(reference));
    if (above.item.empty()) {
      return listed({"item", "list", "--vault", above.vault, "--format", "json"}, "item list",
                    [&](const JsonView& items) { return op_items(items, above.vault); });
    }
    // Its values are in the answer, too; they stay where they are.
    return listed({"item", "get", above.item, "--vault", above.vault, "--format", "json"},
                  "item get",
                  [&](const JsonView& item) { return op_fields(item, above.vault, above.item); });
  }

 private:
  Result<Command> prepared(std::vector<std::string> arguments, std::size_t most) const {
    auto token = token_.clone();
    auto off = Secret::copy_of("false");
    auto no_settings = Secret::copy_of("false");
    auto no_cache = Secret::copy_of("false");
    if (!token || !off || !no_settings || !no_cache) {
      return failure(Failure::Why::kMalformed, "the protected memory for secrets is full");
    }
    Command out = program_.command();
    out.arguments = std::move(arguments);
    out.most_output = most;
    out.environment.emplace_back("OP_SERVICE_ACCOUNT_TOKEN", std::move(*token));
    // No desktop app and no daemon that keeps what it has read: the token is all that is used.
    out.environment.emplace_back("OP_BIOMETRIC_UNLOCK_ENABLED", std::move(*off));
    out.environment.emplace_back("OP_LOAD_DESKTOP_APP_SETTINGS", std::move(*no_settings));
    out.environment.emplace_back("OP_CACHE", std::move(*no_cache));
    return out;
  }

  Result<Secret> asked(std::vector<std::string> arguments) const {
    AV_TRY(Command command, prepared(std::move(arguments), kMostListing));
    AV_TRY(CommandOutcome outcome, ports_.processes->run(command));
    if (outcome.exit_code != 0) {
      return op_failure(outcome.errors);
    }
    return std::move(outcome.output);
  }

  template <typename Read>
  Result<std::vector<Listed>> listed(std::vector<std::string> arguments, std::string_view what,
                                     const Read& read) const {
    AV_TRY(const Secret answer, asked(std::move(arguments)));
    return answer.reveal([&](std::string_view bytes) -> Result<std::vector<Listed>> {
      const auto document = JsonDocument::parse(bytes);
      if (!document) {
        return malformed(what);
      }
      return read(document->root());
    });
  }

  // Without the server's word a token is only text: whoami asks it.
  Result<About> who() const {
    auto answer = asked({"whoami", "--format", "json"});
    if (!answer && answer.error().message.find("not authenticated yet") != std::string::npos) {
      // op 2.18 to 2.20 know a service account only after another command.
      answer = asked({"user", "get", "--me", "--format", "json"});
    }
    if (!answer) {
      return answer.error();
    }
    return answer->reveal([](std::string_view bytes) -> Result<About> {
      const auto document = JsonDocument::parse(bytes);
      if (!document || !document->root().is(JsonView::Kind::kObject)) {
        return malformed("whoami");
      }
      const JsonView root = document->root();
      std::string where = host_of_website(text_member(root, "url"));
      if (where.empty()) {
        where = host_of_website(text_member(root, "URL"));
      }
      std::string name = text_member(root, "name");
      if (name.empty()) {
        name = text_member(root, "user_uuid");
      }
      About out;
      out.account = encoding::printable(excerpt(where.empty() ? name : where + " " + name));
      out.detail = "service account";
      return out;
    });
  }

  const Program program_;
  const Secret token_;
  const Ports ports_;
};

Result<std::unique_ptr<Provider>> make(const vault::ExternalStore& store,
                                       vault::StoreSecrets secrets, const Ports& ports) {
  const auto token = secrets.find("token");
  if (token == secrets.end() || !good_token(token->second)) {
    return failure(Failure::Why::kInvalid, "the token is not one of a service account",
                   "it begins with ops_; make one at 1password.com, Developer, Service Accounts");
  }
  AV_TRY(Program program, program_setting(store, "program"));
  return std::unique_ptr<Provider>(
      std::make_unique<OnePassword>(std::move(program), std::move(token->second), ports));
}

}  // namespace

const Kind kOnePassword = {.id = "1password",
                           .title = "1Password",
                           .scheme = "op",
                           .example = "op://Private/OpenAI/credential",
                           .settings = kSettings,
                           .parse = &parse_op,
                           .make = &make,
                           .finds_by_host = false};

}  // namespace av::source
