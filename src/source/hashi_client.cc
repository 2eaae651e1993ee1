#include "source/hashi_client.h"

#include <utility>

namespace av::source {
namespace {

using Why = Failure::Why;

// A list of errors may be empty, and its first text have several lines ("1 error occurred:\n\t*
// permission denied\n\n").
std::string errors_of(const RestAnswer& answer, const Sent& sent) {
  const std::string text = answer.said({"errors"}, sent);
  return text.empty() ? std::string() : ": " + text;
}

}  // namespace

HashiClient::HashiClient(Http& http, std::string base, std::string name_space)
    : rest_(http, std::move(base), "Vault"), namespace_(std::move(name_space)) {}

Result<RestAnswer> HashiClient::call(std::string_view method, const std::string& target,
                                     const Secret* token, SecretBuffer body,
                                     const Sent& sent) const {
  SecretBuffer fields;
  // What Vault Agent demands of its clients against requests that were forged on the server's side;
  // Vault itself does not mind.
  add_field(fields, "X-Vault-Request", "true");
  if (!namespace_.empty()) {
    add_field(fields, "X-Vault-Namespace", namespace_);
  }
  Sent all = sent;
  if (token != nullptr) {
    add_field(fields, "X-Vault-Token", *token);
    all.push_back(token);
  }
  AV_TRY(RestAnswer answer, rest_.send(method, target, std::move(fields), std::move(body)));
  if (answer.good()) {
    return answer;
  }
  switch (answer.status) {
    case 400:
    case 403:
    case 404:
    case 405:
      if (!answer.json) {
        return failure(
            Why::kMalformed,
            "something that is not Vault answered with HTTP " + std::to_string(answer.status),
            "is the address right?");
      }
      return answer;
    case 412: {
      // A node that does not have yet what another one wrote.
      Failure busy = failure(Why::kBusy, "Vault's node lags behind" + errors_of(answer, all));
      busy.retry_ms = answer.retry_ms;
      return busy;
    }
    case 503: {
      AV_CHECK(health());  // says which of sealed and uninitialised it is
      return failure(Why::kUnreachable,
                     "Vault is not available (HTTP 503)" + errors_of(answer, all));
    }
    default:
      return failure(Why::kUnreachable, "Vault answered with HTTP " +
                                            std::to_string(answer.status) + errors_of(answer, all));
  }
}

Result<HashiClient::Health> HashiClient::health() const {
  SecretBuffer fields;
  add_field(fields, "X-Vault-Request", "true");  // and no namespace: the node has one health
  auto answer = rest_.send("GET", "/v1/sys/health", std::move(fields));
  Health out;
  if (!answer) {
    // 429 is a standby here; it forwards what it is asked.
    if (answer.error().why == Why::kBusy) {
      out.standby = true;
      return out;
    }
    return answer.error();
  }
  if (answer->json) {
    out.version = answer->said({"version"}, {});
    switch (answer->status) {
      case 501:
        return failure(Why::kLocked, "Vault is not initialised", "vault operator init");
      case 503:
        return failure(Why::kLocked, "Vault is sealed",
                       "whoever holds its keys types: vault operator unseal");
      case 472:
        return failure(Why::kUnreachable,
                       "this Vault is a disaster recovery secondary, which answers nothing",
                       "give the address of the primary");
      case 473:
        out.standby = true;
        break;
      default:
        break;
    }
  }
  return out;
}

Failure HashiClient::failure_of(const RestAnswer& answer, std::string_view what,
                                const Sent& sent) const {
  const std::string errors = errors_of(answer, sent);
  switch (answer.status) {
    case 403:
      return failure(Why::kDenied, "Vault denies " + std::string(what) + errors);
    case 404:
      return failure(Why::kNotFound, "Vault has nothing for " + std::string(what) + errors);
    default:
      return failure(Why::kInvalid, "Vault refuses " + std::string(what) + errors);
  }
}

}  // namespace av::source
