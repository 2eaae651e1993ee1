#include "source/bitwarden_sm.h"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <optional>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/bitwarden_reference.h"
#include "source/enc_string.h"
#include "source/ours.h"
#include "source/program_setting.h"
#include "source/sm_token.h"
#include "source/store_url.h"
#include "vault/json_view.h"

namespace av::source {
namespace {

using vault::JsonDocument;
using vault::JsonView;

constexpr std::int64_t kEarlyMs = 60'000;  // a login is renewed so long before its end
constexpr std::size_t kMostListed = 500;

struct Login {
  Secret bearer;
  Secret key;  // the organization's
  std::string organization;
  std::chrono::steady_clock::time_point until;
};
using LoginPtr = std::shared_ptr<const Login>;

Failure malformed(std::string_view what) {
  return failure(Failure::Why::kMalformed, "the answer of Secrets Manager " + std::string(what),
                 "is the URL that of a Bitwarden server?");
}

template <typename Use>
auto with_json(const Secret& body, const Use& use)
    -> decltype(use(std::declval<const JsonView&>())) {
  return body.reveal([&](std::string_view text) -> decltype(use(std::declval<const JsonView&>())) {
    const auto document = JsonDocument::parse(text);
    if (!document || !document->root().is(JsonView::Kind::kObject)) {
      return malformed("is not JSON");
    }
    return use(document->root());
  });
}

std::optional<JsonView> given(const JsonView& in, std::string_view name) {
  auto member = in.find(name);
  return member && !member->is(JsonView::Kind::kNull) ? std::move(member) : std::nullopt;
}

std::string code_in(const HttpAnswer& answer) {
  return answer.body.reveal([](std::string_view text) -> std::string {
    const auto document = JsonDocument::parse(text);
    const auto error = document ? document->root().find("error") : std::nullopt;
    return error ? excerpt(error->text()) : std::string();
  });
}

Failure busy(const HttpAnswer& answer) {
  Failure out = failure(Failure::Why::kBusy, "Secrets Manager asks to be asked later");
  std::int64_t seconds = 0;
  const std::string& text = answer.retry_after;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  out.retry_ms = std::clamp<std::int64_t>(seconds, 1, 3'600) * 1'000;
  return out;
}

bool is_visible(const Secret& token) {
  return token.reveal([](std::string_view text) {
    return !text.empty() && text.size() <= 16'384 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
  });
}

class BitwardenSm final : public Provider {
 public:
  BitwardenSm(std::string identity, std::string api, SmToken token, const Ports& ports)
      : identity_(std::move(identity)),
        api_(std::move(api)),
        token_(std::move(token)),
        ports_(ports) {}

  Result<About> pair() override { return test(); }
  Result<About> test() override;
  Result<Record> fetch(const std::string& item) override;
  Result<std::vector<Listed>> list(const std::string& reference) override;

 private:
  struct Named {
    std::string id;
    std::string name;
  };
  // `refused`: the one that the server takes no longer.
  Result<LoginPtr> login(const LoginPtr& refused);
  Result<LoginPtr> log_in() const;
  // An answer of the API, and the login under which it was given.
  Result<std::pair<HttpAnswer, LoginPtr>> get(const std::string& path, bool of_organization);
  Result<std::vector<Named>> names();
  Result<Record> secret(const std::string& id, std::string_view name);

  const std::string identity_;
  const std::string api_;
  const SmToken token_;
  const Ports& ports_;
  std::mutex logging_in_;  // held across a login: the others would want the same one
  LoginPtr login_;
};

Result<LoginPtr> read_login(const Secret& body, const SmToken& token, const Clock& clock) {
  return with_json(body, [&](const JsonView& root) -> Result<LoginPtr> {
    const auto bearer = given(root, "access_token");
    const auto payload = given(root, "encrypted_payload");
    const auto life = given(root, "expires_in");
    if (!bearer || !payload || !life || !life->integer() || *life->integer() <= 0) {
      return malformed("to the login has not all that it needs");
    }
    auto out = std::make_shared<Login>();
    AV_TRY(out->bearer, ours(bearer->secret()));
    if (!is_visible(out->bearer)) {
      return malformed("to the login has a token that is not one");
    }
    AV_TRY(const Secret opened, open_enc_string(token.key, payload->text()));
    AV_TRY(const Secret text, with_json(opened, [](const JsonView& inner) -> Result<Secret> {
             const auto key = given(inner, "encryptionKey");
             return key ? ours(key->secret()) : malformed("to the login has no key");
           }));
    AV_TRY(out->key, ours(Secret::with_size(encoding::base64_decoded_bound(text.size()))));
    const auto size = text.reveal([&](std::string_view encoded) {
      return encoding::from_base64(encoded, out->key.writable());
    });
    if (!size || *size != kEncKeySize) {
      return malformed("to the login has a key of the wrong size");
    }
    out->key.truncate(*size);
    out->organization = sm_organization(out->bearer);
    const std::int64_t seconds = std::min<std::int64_t>(*life->integer(), 86'400);
    out->until = clock.steady() + Millis(std::max(seconds * 1'000 - kEarlyMs, seconds * 500));
    return LoginPtr(std::move(out));
  });
}

Result<LoginPtr> BitwardenSm::log_in() const {
  HttpRequest request;
  request.method = "POST";
  request.url = identity_ + "/connect/token";
  // 21: an SDK, in Bitwarden's table of devices.
  request.fields.append(
      "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
      "Accept: application/json\r\nDevice-Type: 21\r\n");
  request.body.append("scope=api.secrets&client_id=" + token_.id + "&client_secret=");
  token_.client_secret.reveal(
      [&](std::string_view text) { encoding::append_percent(request.body, text); });
  request.body.append("&grant_type=client_credentials");
  AV_TRY(const HttpAnswer answer, ports_.http->send(request));
  if (answer.status == 200) {
    return read_login(answer.body, token_, *ports_.clock);
  }
  if (answer.status == 429) {
    return busy(answer);
  }
  if (answer.status == 400 || answer.status == 401 || answer.status == 403) {
    const std::string code = code_in(answer);
    return failure(
        Failure::Why::kDenied,
        "Secrets Manager does not take the access token" + (code.empty() ? "" : " (" + code + ")"),
        "it may have been revoked or have expired: make a new one for the machine "
        "account and pair the store again");
  }
  return failure(answer.status >= 500 ? Failure::Why::kUnreachable : Failure::Why::kMalformed,
                 "Bitwarden's identity server answered HTTP " + std::to_string(answer.status));
}

Result<LoginPtr> BitwardenSm::login(const LoginPtr& refused) {
  const std::lock_guard lock(logging_in_);
  if (login_ == nullptr || login_ == refused || ports_.clock->steady() >= login_->until) {
    login_.reset();
    AV_TRY(login_, log_in());
  }
  return login_;
}

Result<std::pair<HttpAnswer, LoginPtr>> BitwardenSm::get(const std::string& path,
                                                         bool of_organization) {
  LoginPtr last;
  for (int attempt = 0;; ++attempt) {
    AV_TRY(const LoginPtr as, login(last));
    if (of_organization && as->organization.empty()) {
      return malformed("to the login names no organization");
    }
    HttpRequest request;
    request.url = api_ + (of_organization ? "/organizations/" + as->organization : "") + path;
    request.fields.append("Accept: application/json\r\nDevice-Type: 21\r\nAuthorization: Bearer ");
    request.fields.append(as->bearer);
    request.fields.append("\r\n");
    AV_TRY(HttpAnswer answer, ports_.http->send(request));
    if (answer.status == 200) {
      return std::pair(std::move(answer), as);
    }
    if (answer.status == 401 && attempt == 0) {
      last = as;  // ended before its time
      continue;
    }
    if (answer.status == 404) {
      return failure(Failure::Why::kNotFound,
                     "Secrets Manager has no such secret, or none that this machine account may "
                     "read");
    }
    if (answer.status == 401 || answer.status == 403) {
      return failure(Failure::Why::kDenied,
                     "Secrets Manager refused with HTTP " + std::to_string(answer.status),
                     "give the machine account access to the project of the secret");
    }
    if (answer.status == 429) {
      return busy(answer);
    }
    return failure(answer.status >= 500 ? Failure::Why::kUnreachable : Failure::Why::kMalformed,
                   "Secrets Manager answered HTTP " + std::to_string(answer.status));
  }
}

Result<Record> BitwardenSm::secret(const std::string& id, std::string_view name) {
  AV_TRY(const auto got, get("/secrets/" + id, false));
  const auto& [answer, as] = got;
  return with_json(answer.body, [&, key = &as->key](const JsonView& root) -> Result<Record> {
    const auto own = given(root, "id");
    if (!own || ascii::lower(own->text()) != id) {
      return malformed("is about another secret");
    }
    Record out;
    for (const std::string_view field : {"key", "value", "note"}) {
      const auto sealed = given(root, field);
      if (!sealed || sealed->text().empty()) {
        continue;
      }
      AV_TRY(Secret value, open_enc_string(*key, sealed->text()));
      out.fields.emplace(field, std::move(value));
    }
    const auto found = out.fields.find("key");
    const bool named =
        name.empty() || (found != out.fields.end() &&
                         found->second.reveal([&](std::string_view n) { return n == name; }));
    if (!named) {
      return malformed("is about a secret of another name");
    }
    return out;
  });
}

Result<std::vector<BitwardenSm::Named>> BitwardenSm::names() {
  AV_TRY(const auto got, get("/secrets", true));
  const auto& [answer, as] = got;
  return with_json(answer.body,
                   [&, key = &as->key](const JsonView& root) -> Result<std::vector<Named>> {
                     const auto list = root.find("secrets");
                     if (!list || !list->is(JsonView::Kind::kArray)) {
                       return malformed("has no list of secrets");
                     }
                     std::vector<Named> out;
                     for (const JsonView& entry : list->children()) {
                       const auto id = given(entry, "id");
                       const auto sealed = given(entry, "key");
                       if (!id || !is_uuid(id->text()) || !sealed) {
                         return malformed("has a secret without identifier or name");
                       }
                       AV_TRY(const Secret name, open_enc_string(*key, sealed->text()));
                       Named named;
                       named.id = ascii::lower(id->text());
                       name.reveal([&](std::string_view text) { named.name = text; });
                       out.push_back(std::move(named));
                     }
                     return out;
                   });
}

Result<Record> BitwardenSm::fetch(const std::string& item) {
  const BitwardenItem wanted = bitwarden_item(item);
  if (wanted.kind == "id") {
    return secret(std::string(wanted.text), {});
  }
  AV_TRY(const std::vector<Named> all, names());
  const Named* found = nullptr;
  for (const Named& named : all) {
    if (named.name != wanted.text) {
      continue;
    }
    if (found != nullptr) {
      return failure(Failure::Why::kInvalid, "Secrets Manager has several secrets of this name",
                     "refer to one by its identifier: bw://id/...");
    }
    found = &named;
  }
  if (found == nullptr) {
    return failure(Failure::Why::kNotFound,
                   "Secrets Manager has no secret of this name that this machine account may read");
  }
  return secret(found->id, wanted.text);
}

Result<std::vector<Listed>> BitwardenSm::list(const std::string& reference) {
  if (!reference.empty()) {
    return failure(Failure::Why::kInvalid, "there is nothing below a secret");
  }
  AV_TRY(const std::vector<Named> all, names());
  std::vector<Listed> out;
  for (const Named& named : all) {
    if (out.size() == kMostListed) {
      break;
    }
    Listed entry;
    entry.reference = "bw://id/" + named.id;
    entry.title = excerpt(named.name);
    out.push_back(std::move(entry));
  }
  return out;
}

Result<About> BitwardenSm::test() {
  LoginPtr last;
  {
    const std::lock_guard lock(logging_in_);
    last = login_;
  }
  AV_TRY(const LoginPtr as, login(last));  // a new one: whether it works now
  About out;
  out.account = "access token " + token_.id;
  out.detail = as->organization.empty() ? "" : "organization " + as->organization;
  return out;
}

constexpr Setting kSettings[] = {
    {.name = "url",
     .help = "of the server (https://vault.bitwarden.eu, or your own); without it bitwarden.com",
     .variable = "BWS_SERVER_URL"},
    {.name = "token",
     .help = "access token of a machine account",
     .secret = true,
     .required = true,
     .variable = "BWS_ACCESS_TOKEN"},
};

Result<std::unique_ptr<Provider>> make(const vault::ExternalStore& store,
                                       vault::StoreSecrets secrets, const Ports& ports) {
  const auto token = secrets.find("token");
  if (token == secrets.end()) {
    return failure(Failure::Why::kInvalid, "there is no access token");
  }
  AV_TRY(SmToken read, read_sm_token(token->second));
  std::string identity = "https://identity.bitwarden.com";
  std::string api = "https://api.bitwarden.com";
  if (const std::string url = setting(store, "url"); !url.empty()) {
    AV_TRY(const bool plain, plain_http(store));
    AV_TRY(const std::string base, store_url(url, plain));
    identity = base + "/identity";
    api = base + "/api";
  }
  if (ports.http == nullptr || ports.clock == nullptr) {
    return failure(Failure::Why::kInvalid, "this store cannot be used here");
  }
  return std::unique_ptr<Provider>(
      std::make_unique<BitwardenSm>(std::move(identity), std::move(api), std::move(read), ports));
}

}  // namespace

const Kind kBitwardenSm = {
    .id = "bitwarden-sm",
    .title = "Bitwarden Secrets Manager",
    .scheme = "bw",
    .example = "bw://key/OPENAI_API_KEY",
    .settings = kSettings,
    .parse = parse_bitwarden_sm,
    .make = make,
    .finds_by_host = false,
};

}  // namespace av::source
