#pragma once
// The environment of the child: the parent's without anything real, and what leads it to the proxy.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"
#include "vault/key_ring.h"
#include "vault/policy.h"

namespace av::cmd {

// An ordered set of variables. Values may be tokens, so they live in wiped memory.
class EnvBlock {
 public:
  EnvBlock() = default;
  // From a null-terminated array of "NAME=value"; entries without "=" are dropped.
  explicit EnvBlock(const char* const* variables);

  void set(std::string_view name, std::string_view value);
  void set_default(std::string_view name, std::string_view value);
  void unset(std::string_view name);
  // All whose name begins so.
  void unset_beginning(std::string_view beginning);
  // nullopt when not set.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
  // Replaces every occurrence of `secret` in every value but those that say who and where the user
  // is. Returns the names of the variables that held it.
  std::vector<std::string> replace_everywhere(std::string_view secret,
                                              std::string_view placeholder);
  // "NAME=value", each ended by NUL, as isolation::LaunchSpec wants it.
  [[nodiscard]] SecretBuffer encode() const;

 private:
  struct Variable {
    std::string name;
    SecretBuffer value;
  };
  std::vector<Variable> variables_;
};

// Credential key -> what the child finds instead of its value; every credential of the vault has
// one, new in each run.
using Placeholders = std::map<std::string, std::string, std::less<>>;
[[nodiscard]] Placeholders make_placeholders(const vault::PolicySnapshot& snapshot);
// For the proxy, which refuses them where they do not belong.
[[nodiscard]] vault::PlaceholderIndex index_of(const Placeholders& placeholders);

// The placeholder that an enabled service puts into `variable`; nullptr when none does.
[[nodiscard]] const std::string* placeholder_in(const vault::PolicySnapshot& snapshot,
                                                const Placeholders& placeholders,
                                                const std::string& variable);

// Takes every stored value of the vault out of `env`, wherever it sits, and gives the variables of
// the services their placeholders. A variable that a service or a credential is named for never
// keeps the parent's value.
[[nodiscard]] Status replace_secrets(EnvBlock& env, const vault::PolicySnapshot& snapshot,
                                     const vault::KeyRing& key_ring,
                                     const Placeholders& placeholders);

// The second half of that, for values that are not here: what is named for a credential or read by
// a service has its placeholder, or is not there.
void replace_named(EnvBlock& env, const vault::PolicySnapshot& snapshot,
                   const Placeholders& placeholders);

struct ProxyAccess {
  std::uint16_t port = 0;
  const Secret& token;
  std::string vault;
  std::string run_id;
  std::string bundle;       // path of the PEM bundle
  std::string trust_store;  // path of the Java trust store; empty: no Java here
  // Programs that know of no proxy are caught: Java, which has no user for one, need not know it.
  bool catches_all = false;
};
void add_proxy_access(EnvBlock& env, const ProxyAccess& access);

// The variables in which programs look for the bundle.
[[nodiscard]] const std::set<std::string>& bundle_variables();

// Whether an executable file of that name is on `path` ("a:b:c").
[[nodiscard]] bool is_on_path(std::string_view program, std::string_view path);

}  // namespace av::cmd
