// Variables of the environment that agent-vault was started with. The value stays in that
// environment (/proc/PID/environ of this process, which no child at isolation `store` or above can
// read); who runs an agent must see to it that the agent's own environment does not have it.

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/ascii.h"
#include "source/local_kinds.h"

namespace av::source {
namespace {

constexpr std::string_view kScheme = "env://";
constexpr std::size_t kMostName = 128;
constexpr std::size_t kMostValue = std::size_t{64} << 10;
// What every program gets, and what is ours.
constexpr std::array<std::string_view, 9> kNotSecret = {
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "PWD", "SECRET_ENCRYPTION_KEY"};

Result<Reference> parse(std::string_view text) {
  const std::string_view name = text.substr(std::min(kScheme.size(), text.size()));
  const bool good = !name.empty() && name.size() <= kMostName && !ascii::is_digit(name.front()) &&
                    std::all_of(name.begin(), name.end(), ascii::is_word);
  if (!good) {
    return failure(Failure::Why::kInvalid, "the reference does not name a variable",
                   "env://NAME, of letters, digits and \"_\"");
  }
  if (std::find(kNotSecret.begin(), kNotSecret.end(), name) != kNotSecret.end() ||
      name.starts_with("AGENT_VAULT_") || name.starts_with("LD_")) {
    return failure(Failure::Why::kInvalid,
                   std::string(name) + " is not a variable that holds a credential");
  }
  Reference out;
  out.item = std::string(name);
  return out;
}

class Environment final : public Provider {
 public:
  Result<About> pair() override { return who(); }
  Result<About> test() override { return who(); }

  // Nothing in this program changes its environment once there are threads.
  Result<Record> fetch(const std::string& item) override {
    const char* value = std::getenv(item.c_str());
    if (value == nullptr || *value == '\0') {
      return failure(Failure::Why::kNotFound,
                     item + " is not set in the environment that agent-vault was started with",
                     "set it there; a variable of the agent's own environment is not looked at");
    }
    const std::string_view text = value;
    auto secret = Secret::copy_of(text.substr(0, kMostValue + 1));
    if (!secret || secret->size() > kMostValue) {
      return failure(Failure::Why::kMalformed, item + " is longer than 64 KiB");
    }
    Record out;
    out.fields.emplace(std::string(), std::move(*secret));
    return out;
  }

 private:
  static Result<About> who() {
    About out;
    out.account = "environment";
    out.detail = "of whatever agent-vault process asks";
    return out;
  }
};

Result<std::unique_ptr<Provider>> make(const vault::ExternalStore& store,
                                       vault::StoreSecrets secrets, const Ports& ports) {
  (void)store;
  (void)secrets;
  (void)ports;
  return std::unique_ptr<Provider>(std::make_unique<Environment>());
}

}  // namespace

const Kind kEnv = {.id = "env",
                   .title = "Environment",
                   .scheme = "env",
                   .example = "env://OPENAI_API_KEY",
                   .settings = {},
                   .parse = &parse,
                   .make = &make,
                   .finds_by_host = false};

}  // namespace av::source
