#include "cmd/serve_oidc.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "cmd/given_secret.h"
#include "core/fs.h"
#include "vault/names.h"
#include "vault/oauth.h"
#include "vault/user.h"

namespace av::cmd {
namespace {

constexpr std::size_t kMostConfig = std::size_t{1} << 20;
constexpr std::size_t kMostSecret = std::size_t{64} << 10;
constexpr std::string_view kGoogle = "https://accounts.google.com";

class Table {
 public:
  Table(const toml::table& table, const std::filesystem::path& file) : table_(table), file_(file) {}

  [[nodiscard]] Error wrong(const std::string& what) const {
    return make_error(ErrorCode::kInvalid, file_.string() + ": " + what,
                      "see agent-vault-serve(1) for the keys of [serve.oidc]");
  }
  // A misspelt key could let in more people than was meant.
  [[nodiscard]] Status check_keys() const {
    static const std::vector<std::string> kKeys = {
        "provider",           "issuer",          "name",           "client_id",
        "client_secret_file", "allowed_domains", "allowed_emails", "auto_create"};
    for (const auto& [key, value] : table_) {
      const std::string name(key.str());
      if (std::find(kKeys.begin(), kKeys.end(), name) == kKeys.end()) {
        const std::string near = vault::did_you_mean(name, kKeys);
        return wrong("serve.oidc has no key '" + name + "'" +
                     (near.empty() ? "" : "; did you mean '" + near + "'?"));
      }
    }
    return {};
  }
  [[nodiscard]] Expected<std::string> text(const char* key) const {
    const toml::node* const node = table_.get(key);
    if (node == nullptr) {
      return std::string();
    }
    const auto value = node->value<std::string>();
    if (!value || value->empty()) {
      return wrong(std::string("serve.oidc.") + key + " is not text");
    }
    return *value;
  }
  // Each as `canonical` has it.
  [[nodiscard]] Expected<std::vector<std::string>> list(
      const char* key, Expected<std::string> (*canonical)(std::string_view)) const {
    std::vector<std::string> out;
    const toml::node* const node = table_.get(key);
    if (node == nullptr) {
      return out;
    }
    const toml::array* const items = node->as_array();
    if (items == nullptr || items->empty()) {
      return wrong(std::string("serve.oidc.") + key + " is not a list of text");
    }
    for (const toml::node& item : *items) {
      const auto word = item.value<std::string>();
      auto one = word ? canonical(*word) : Expected<std::string>(wrong("no text"));
      if (!one) {
        return wrong(std::string("serve.oidc.") + key + " has what is none" +
                     (word ? ": " + *word : ""));
      }
      out.push_back(std::move(*one));
    }
    return out;
  }

 private:
  const toml::table& table_;
  const std::filesystem::path& file_;
};

Status take_issuer(const Table& table, api::SignInOptions& options) {
  AV_TRY(const std::string provider, table.text("provider"));
  AV_TRY(options.issuer, table.text("issuer"));
  AV_TRY(options.name, table.text("name"));
  if (!provider.empty() && provider != "google") {
    return table.wrong("serve.oidc.provider is google; any other is given as issuer");
  }
  if (provider.empty() == options.issuer.empty()) {
    return table.wrong("serve.oidc has one of provider and issuer");
  }
  if (!provider.empty()) {
    options.issuer = kGoogle;
  }
  if (const Status good = vault::check_endpoint(options.issuer, "serve.oidc.issuer"); !good) {
    return table.wrong(good.error().message);
  }
  if (options.name.empty()) {
    options.name = provider.empty() ? "single sign-on" : "Google";
  }
  return {};
}

Expected<std::shared_ptr<const Secret>> secret_in(const std::filesystem::path& config_file,
                                                  const std::string& name) {
  AV_TRY(Secret secret, fs::read_secret_file(config_file.parent_path() / name, kMostSecret));
  drop_final_newlines(secret);
  return std::make_shared<const Secret>(std::move(secret));
}

}  // namespace

Expected<std::optional<api::SignInOptions>> read_sign_in(const std::filesystem::path& config_file) {
  using Result = std::optional<api::SignInOptions>;
  auto text = fs::read_file(config_file, kMostConfig);
  if (!text) {
    return text.error().code == ErrorCode::kNotFound ? Expected<Result>(Result()) : text.error();
  }
  try {
    const toml::table config = toml::parse(*text);
    const toml::node_view<const toml::node> node = config["serve"]["oidc"];
    if (!node) {
      return Result();
    }
    static const toml::table kNone;
    const toml::table* const found = node.as_table();
    const Table table(found == nullptr ? kNone : *found, config_file);
    if (found == nullptr) {
      return table.wrong("serve.oidc is not a table");
    }
    AV_CHECK(table.check_keys());
    api::SignInOptions options;
    AV_CHECK(take_issuer(table, options));
    AV_TRY(options.client_id, table.text("client_id"));
    if (options.client_id.empty()) {
      return table.wrong("serve.oidc.client_id is missing");
    }
    AV_TRY(const std::string secret_file, table.text("client_secret_file"));
    if (!secret_file.empty()) {
      AV_TRY(options.client_secret, secret_in(config_file, secret_file));
    }
    AV_TRY(options.allowed_domains, table.list("allowed_domains", vault::canonical_email_domain));
    AV_TRY(options.allowed_emails, table.list("allowed_emails", vault::canonical_email));
    AV_TRY(const std::string create, table.text("auto_create"));
    if (!create.empty()) {
      options.auto_create = vault::instance_role_from_string(create);
      if (options.auto_create != vault::InstanceRole::kMember) {
        return table.wrong("serve.oidc.auto_create is member, or not there");
      }
      if (options.allowed_domains.empty() && options.allowed_emails.empty()) {
        return table.wrong(
            "serve.oidc.auto_create without allowed_domains or allowed_emails would "
            "let in everybody who has an account there");
      }
    }
    return Result(std::move(options));
  } catch (const toml::parse_error& e) {
    return make_error(ErrorCode::kInvalid, config_file.string() + ": line " +
                                               std::to_string(e.source().begin.line) + ": " +
                                               std::string(e.description()));
  }
}

}  // namespace av::cmd
