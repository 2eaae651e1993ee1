#include "cmd/api_client.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cmd/cli.h"
#include "core/encoding.h"

namespace av::cmd {
namespace {

constexpr int kAnswerSeconds = 90;  // longer than the longest poll
constexpr std::size_t kMostBody = std::size_t{4} << 20;

ErrorCode code_of(int status) {
  switch (status) {
    case 400:
    case 413:
    case 415:
    case 422:
      return ErrorCode::kInvalid;
    case 401:
    case 403:
    case 407:
      return ErrorCode::kNotPermitted;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
    case 429:
      return ErrorCode::kConflict;
    case 501:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kNetwork;
  }
}

// The server's own words, which may be anybody's.
Error refused(const HttpReply& reply) {
  const auto json = nlohmann::json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  const auto text = [&](const char* name) {
    const auto it = json.is_object() ? json.find(name) : json.end();
    return json.is_object() && it != json.end() && it->is_string()
               ? encoding::printable(it->get<std::string>().substr(0, 2000))
               : std::string();
  };
  std::string message = text("message");
  message = message.empty() ? text("error") : message;
  return make_error(
      code_of(reply.status),
      message.empty() ? "the server answered " + std::to_string(reply.status) : message,
      text("help"));
}

Expected<SecretBuffer> authorization(std::string_view token) {
  if (token.empty()) {
    return usage_error("AGENT_VAULT_ADDR is set, and AGENT_VAULT_TOKEN is not",
                       "set both, or neither to use the store of this machine");
  }
  const bool plain =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!plain) {
    return usage_error("AGENT_VAULT_TOKEN is not a token");
  }
  SecretBuffer out;
  out.append("Authorization: Bearer ");
  out.append(token);
  out.append("\r\nAccept: application/json\r\n");
  return out;
}

}  // namespace

Expected<std::optional<ApiClient>> ApiClient::from_environment() {
  const char* const address = std::getenv("AGENT_VAULT_ADDR");
  const char* const token = std::getenv("AGENT_VAULT_TOKEN");
  if (address == nullptr || *address == '\0') {
    return std::optional<ApiClient>();
  }
  HttpPeer peer;
  AV_TRY(peer.url, parse_http_url(address, "an agent-vault (AGENT_VAULT_ADDR)"));
  if (!peer.url.tls && !peer.url.is_loopback()) {
    return usage_error("AGENT_VAULT_ADDR is http:// and on another machine",
                       "use https://: the token could be read on the way");
  }
  while (peer.url.path.ends_with('/')) {
    peer.url.path.pop_back();
  }
  AV_TRY(SecretBuffer headers, authorization(token == nullptr ? "" : token));
  peer.name = "agent-vault";
  peer.hint = "see AGENT_VAULT_ADDR; inside a run it ends with the run";
  peer.roots_hint = "SSL_CERT_FILE names a PEM file with the roots that it is under";
  peer.answer_seconds = kAnswerSeconds;
  peer.most_body = kMostBody;
  AV_TRY(HttpClient http, HttpClient::create(std::move(peer), std::move(headers), {}));
  return std::optional<ApiClient>(ApiClient(std::move(http)));
}

Expected<std::string> ApiClient::call(std::string_view method, std::string_view target,
                                      std::string_view body) {
  AV_TRY(HttpReply reply, http_.send(method, http_.peer().url.path + std::string(target), body));
  if (reply.status / 100 != 2) {
    return refused(reply);
  }
  return std::move(reply.body);
}

Expected<std::string> ApiClient::get(std::string_view target) {
  return call("GET", target, {});
}

Expected<std::string> ApiClient::post(std::string_view target, const Secret& json) {
  return json.reveal([&](std::string_view bytes) { return call("POST", target, bytes); });
}

}  // namespace av::cmd
