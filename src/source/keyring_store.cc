// The desktop keyring (Secret Service API 0.2), through libsecret's secret-tool 0.20:
// `secret-tool lookup service SERVICE username ACCOUNT`.

#include <algorithm>
#include <array>

#include "core/ascii.h"
#include "source/local_kinds.h"
#include "source/program_setting.h"
#include "source/reference_path.h"

namespace av::source {
namespace {

constexpr std::string_view kScheme = "keyring://";
constexpr std::size_t kMostPart = 256;
constexpr std::size_t kMostValue = std::size_t{64} << 10;

constexpr std::array kSettings = {
    Setting{.name = "program",
            .help = "the secret-tool program, a name or an absolute path",
            .fallback = "secret-tool",
            .program = true},
    Setting{.name = "service_attribute",
            .help = "the attribute that says what an entry is for",
            .fallback = "service"},
    Setting{.name = "account_attribute",
            .help = "the attribute that says whose it is; many programs use `account`",
            .fallback = "username"},
    kIsolationSetting, share_setting("session-bus")};

struct Entry {
  std::string service;
  std::string account;
};

Result<Entry> entry_of(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos ||
      text.find_first_of("/#?", slash + 1) != std::string_view::npos) {
    return failure(Failure::Why::kInvalid,
                   "a reference to the keyring has a service and an account",
                   "keyring://SERVICE/ACCOUNT; write %2F for a \"/\" in one of them");
  }
  Entry out;
  AV_TRY(out.service, decoded_part(text.substr(0, slash), "service"));
  AV_TRY(out.account, decoded_part(text.substr(slash + 1), "account"));
  for (const std::string* part : {&out.service, &out.account}) {
    // secret-tool takes what begins with "-" for an option.
    if (part->empty() || part->size() > kMostPart || part->front() == '-') {
      return failure(Failure::Why::kInvalid,
                     "the service or the account is empty, too long, or begins with \"-\"");
    }
  }
  return out;
}

std::string part(std::string_view text) {
  std::string out = percent_path(text);
  std::size_t at = 0;
  while ((at = out.find('/', at)) != std::string::npos) {
    out.replace(at, 1, "%2F");
  }
  return out;
}

Result<Reference> parse(std::string_view text) {
  text.remove_prefix(std::min(kScheme.size(), text.size()));
  AV_TRY(const Entry entry, entry_of(text));
  Reference out;
  out.item = part(entry.service) + "/" + part(entry.account);
  return out;
}

class Keyring final : public Provider {
 public:
  Keyring(Program program, std::string service, std::string account, const Ports& ports)
      : program_(std::move(program)),
        service_(std::move(service)),
        account_(std::move(account)),
        ports_(ports) {}

  Result<About> pair() override { return who(); }
  Result<About> test() override { return who(); }

  Result<Record> fetch(const std::string& item) override {
    AV_TRY(const Entry entry, entry_of(item));
    AV_TRY(CommandOutcome outcome, lookup(entry));
    if (outcome.exit_code != 0 || outcome.output.empty()) {
      return failure(
          Failure::Why::kNotFound,
          "the keyring has no entry with " + service_ + " \"" + excerpt(entry.service) + "\" and " +
              account_ + " \"" + excerpt(entry.account) + "\"",
          "secret-tool store --label=LABEL " + service_ + " SERVICE " + account_ + " ACCOUNT");
    }
    Record out;
    out.fields.emplace(std::string(), std::move(outcome.output));
    return out;
  }

 private:
  // An exit code of 1 without a word is "not there"; a word is the service's or the bus's.
  Result<CommandOutcome> lookup(const Entry& entry) const {
    Command command = program_.command();
    command.arguments = {"lookup", service_, entry.service, account_, entry.account};
    command.most_output = kMostValue;
    auto outcome = ports_.processes->run(command);
    if (!outcome) {
      if (outcome.error().why == Failure::Why::kTimeout) {
        return failure(Failure::Why::kLocked, "the keyring has not answered: it may be locked",
                       "unlock it in the desktop's own program (Passwords and Keys, KWallet)");
      }
      return outcome.error();
    }
    if (outcome->exit_code == 0 || outcome->errors.empty()) {
      return outcome;
    }
    const std::string said = ascii::lower(outcome->errors);
    const std::string message = "secret-tool says: " + excerpt(outcome->errors);
    if (said.find("locked") != std::string::npos || said.find("dismissed") != std::string::npos) {
      return failure(Failure::Why::kLocked, message, "unlock it in the desktop's own program");
    }
    return failure(Failure::Why::kUnreachable, message,
                   "is a keyring running in this session? DBUS_SESSION_BUS_ADDRESS must be set");
  }

  // Something that nobody keeps: whether the service answers at all.
  Result<About> who() const {
    AV_TRY(const CommandOutcome outcome, lookup({"agent-vault", "no such entry"}));
    (void)outcome;
    About out;
    out.account = "Secret Service";
    out.detail = "entries with " + service_ + " and " + account_;
    return out;
  }

  const Program program_;
  const std::string service_;
  const std::string account_;
  const Ports ports_;
};

std::string setting_or(const vault::ExternalStore& store, std::string_view name,
                       std::string_view fallback) {
  const std::string given = setting(store, name);
  return given.empty() ? std::string(fallback) : given;
}

Result<std::unique_ptr<Provider>> make(const vault::ExternalStore& store,
                                       vault::StoreSecrets secrets, const Ports& ports) {
  (void)secrets;
  AV_TRY(Program program, program_setting(store, "program"));
  const std::string service = setting_or(store, "service_attribute", "service");
  const std::string account = setting_or(store, "account_attribute", "username");
  for (const std::string& name : {service, account}) {
    const bool good = name.size() <= 64 && name.front() != '-' &&
                      std::all_of(name.begin(), name.end(), [](char c) {
                        return ascii::is_word(c) || c == '-' || c == ':' || c == '.';
                      });
    if (!good) {
      return failure(Failure::Why::kInvalid, excerpt(name) + " is no attribute's name");
    }
  }
  return std::unique_ptr<Provider>(
      std::make_unique<Keyring>(std::move(program), service, account, ports));
}

}  // namespace

const Kind kKeyring = {.id = "keyring",
                       .title = "Desktop keyring",
                       .scheme = "keyring",
                       .example = "keyring://api.openai.com/me",
                       .settings = kSettings,
                       .parse = &parse,
                       .make = &make,
                       .finds_by_host = false};

}  // namespace av::source
