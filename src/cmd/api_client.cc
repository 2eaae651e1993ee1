#include "cmd/api_client.h"

#include <algorithm>
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
  const std::string_view body = reply.body.view();
  const auto json =
      nlohmann::json::parse(body.begin(), body.end(), nullptr, /*allow_exceptions=*/false);
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

}  // namespace

Expected<std::optional<ApiClient>> ApiClient::from_environment(const Context& context) {
  AV_TRY(const auto remote, find_remote(context));
  if (!remote) {
    return std::optional<ApiClient>();
  }
  AV_TRY(ApiClient client, create(*remote));
  return std::optional<ApiClient>(std::move(client));
}

Expected<ApiClient> ApiClient::create(const Remote& remote) {
  return create(remote.url, remote.ca_files, remote.token);
}

Expected<ApiClient> ApiClient::create(const HttpUrl& url, const std::vector<std::string>& ca_files,
                                      const Secret& token, int answer_seconds) {
  HttpPeer peer;
  peer.url = url;
  peer.name = "agent-vault";
  peer.hint = "see AGENT_VAULT_ADDR; inside a run it ends with the run";
  peer.roots_hint =
      "AGENT_VAULT_CA names a PEM file with the roots that it is under; for `serve --tls`, what "
      "`agent-vault ca show` prints there";
  peer.answer_seconds = answer_seconds == 0 ? kAnswerSeconds : answer_seconds;
  peer.most_body = kMostBody;
  SecretBuffer headers;
  if (!token.empty()) {
    headers.append("Authorization: Bearer ");
    headers.append(token);
    headers.append("\r\n");
  }
  headers.append("Accept: application/json\r\nX-AV-Client: cli/" AV_VERSION "\r\n");
  AV_TRY(HttpClient http, HttpClient::create(std::move(peer), std::move(headers), ca_files));
  return ApiClient(std::move(http));
}

Expected<HttpReply> ApiClient::exchange(std::string_view method, std::string_view target,
                                        std::string_view body) {
  AV_TRY(HttpReply reply, http_.send(method, http_.peer().url.path + std::string(target), body));
  if (reply.status / 100 != 2) {
    return refused(reply);
  }
  return reply;
}

Expected<std::string> ApiClient::send(std::string_view method, std::string_view target,
                                      std::string_view body) {
  AV_TRY(const HttpReply reply, exchange(method, target, body));
  return std::string(reply.body.view());
}

Expected<std::string> ApiClient::get(std::string_view target) {
  return send("GET", target);
}

Expected<std::string> ApiClient::post(std::string_view target, const Secret& json) {
  return json.reveal([&](std::string_view bytes) { return send("POST", target, bytes); });
}

}  // namespace av::cmd
