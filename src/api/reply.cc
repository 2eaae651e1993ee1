#include "api/reply.h"

#include <nlohmann/json.hpp>

namespace av::api {
namespace {

constexpr std::string_view kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "
    "'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

void add_missing(proxy::LocalReply& reply, std::string_view name, std::string_view value) {
  if (!reply.fields.contains(name)) {
    reply.fields.add(name, value);
  }
}

bool is_page(const proxy::LocalReply& reply) {
  for (std::size_t i = 0; i < reply.fields.size(); ++i) {
    const auto entry = reply.fields.entry(i);
    if (entry.name == "Content-Type" && entry.value.starts_with("text/html")) {
      return true;
    }
  }
  return false;
}

// What keeps a browser from caching, guessing, framing and running what it should not.
void seal(proxy::LocalReply& reply) {
  add_missing(reply, "Content-Length", std::to_string(reply.body.size()));
  add_missing(reply, "Cache-Control", "no-store");
  add_missing(reply, "X-Content-Type-Options", "nosniff");
  add_missing(reply, "Referrer-Policy", "no-referrer");
  if (is_page(reply)) {
    add_missing(reply, "Content-Security-Policy", kContentPolicy);
    add_missing(reply, "X-Frame-Options", "DENY");
    add_missing(reply, "Cross-Origin-Opener-Policy", "same-origin");
  }
}

}  // namespace

Reply::Reply(Error error) : state_(fault_of(error)) {}

proxy::LocalReply Reply::take(bool secure) && {
  proxy::LocalReply out;
  if (auto* const reply = std::get_if<proxy::LocalReply>(&state_)) {
    out = std::move(*reply);
  } else if (const auto* const why = std::get_if<proxy::Fault>(&state_)) {
    out = proxy::fault_reply(*why, proxy::FaultOf::kApi);
  } else {
    out = proxy::fault_reply(fault(500, "internal", "a poll without an end"), proxy::FaultOf::kApi);
  }
  seal(out);
  if (secure) {
    add_missing(out, "Strict-Transport-Security", "max-age=31536000");
  }
  return out;
}

proxy::Fault fault(int status, std::string_view code, std::string message, std::string help) {
  proxy::Fault out;
  out.status = status;
  out.code = code;
  out.message = std::move(message);
  out.help = std::move(help);
  return out;
}

proxy::Fault bad_request(std::string message, std::string help) {
  return fault(400, "bad_request", std::move(message), std::move(help));
}

proxy::Fault unknown_vault(std::string_view name) {
  return fault(404, "not_found", "no vault named '" + std::string(name) + "' that you may use",
               "GET /v1/vaults lists those that you may use");
}

proxy::Fault fault_of(const Error& error) {
  int status = 500;
  std::string_view code = "internal";
  bool transient = false;
  switch (error.code) {
    case ErrorCode::kUsage:
    case ErrorCode::kInvalid:
    case ErrorCode::kUnsupported:
      status = 400;
      code = "bad_request";
      break;
    case ErrorCode::kNotFound:
      status = 404;
      code = "not_found";
      break;
    case ErrorCode::kExists:
      status = 409;
      code = "exists";
      break;
    case ErrorCode::kConflict:
      status = 409;
      code = "conflict";
      break;
    case ErrorCode::kNotPermitted:
      status = 403;
      code = "forbidden";
      break;
    case ErrorCode::kLocked:
      status = 503;
      code = "locked";
      break;
    case ErrorCode::kNoSpace:
      status = 507;
      code = "no_space";
      break;
    case ErrorCode::kBusy:
      status = 503;
      code = "busy";
      transient = true;
      break;
    case ErrorCode::kNetwork:
      status = 502;
      code = "network";
      transient = true;
      break;
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
    case ErrorCode::kTooNew:
    case ErrorCode::kCrypto:
    case ErrorCode::kInternal:
      break;
  }
  proxy::Fault out = fault(status, code, error.message, error.hint);
  out.transient = transient;
  return out;
}

proxy::LocalReply text_reply(std::string_view type, std::string_view body, int status) {
  proxy::LocalReply reply;
  reply.status = status;
  reply.fields.add("Content-Type", type);
  reply.body.append(body);
  return reply;
}

proxy::LocalReply secret_reply(std::string_view type, SecretBuffer body, int status) {
  proxy::LocalReply reply;
  reply.status = status;
  reply.fields.add("Content-Type", type);
  reply.body = std::move(body);
  return reply;
}

proxy::LocalReply json_text_reply(std::string_view json, int status) {
  proxy::LocalReply reply = text_reply("application/json", json, status);
  reply.body.push_back('\n');
  return reply;
}

proxy::LocalReply json_reply(const Json& json, int status) {
  return json_text_reply(json.dump(-1, ' ', false, Json::error_handler_t::replace), status);
}

}  // namespace av::api
