#include "proxy/head.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "core/ascii.h"

namespace av::proxy {
namespace {

constexpr auto kTokenChars = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) {
    table[static_cast<std::size_t>(c)] = true;
  }
  for (int c = 'a'; c <= 'z'; ++c) {
    table[static_cast<std::size_t>(c)] = true;
    table[static_cast<std::size_t>(c - 32)] = true;
  }
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

struct Framing {
  std::size_t lengths = 0;
  std::size_t encodings = 0;
  std::string_view length;
  std::string_view encoding;
  bool close = false;
  bool keep_alive = false;
  bool upgrade_option = false;
  std::string_view upgrade;
  std::size_t upgrades = 0;
  bool disguised = false;
};

Framing collect(const Head& head) {
  Framing f;
  for (const Field& field : head.fields) {
    // The length of a name rules out most comparisons.
    switch (field.name.size()) {
      case 14:
        if (iequals(field.name, "content-length")) {
          ++f.lengths;
          f.length = field.value;
        } else if (field.name[7] == '_') {
          f.disguised = f.disguised || same_variable(field.name, "content-length");
        }
        break;
      case 17:
        if (iequals(field.name, "transfer-encoding")) {
          ++f.encodings;
          f.encoding = field.value;
        } else if (field.name[8] == '_') {
          f.disguised = f.disguised || same_variable(field.name, "transfer-encoding");
        }
        break;
      case 10:
        if (iequals(field.name, "connection")) {
          f.close = f.close || list_contains(field.value, "close");
          f.keep_alive = f.keep_alive || list_contains(field.value, "keep-alive");
          f.upgrade_option = f.upgrade_option || list_contains(field.value, "upgrade");
        }
        break;
      case 7:
        if (iequals(field.name, "upgrade")) {
          ++f.upgrades;
          f.upgrade = field.value;
        }
        break;
      default:
        break;
    }
  }
  return f;
}

std::optional<HeadError> apply_body_framing(Head& head, const Framing& f) {
  if (f.encodings != 0) {
    // RFC 9112 section 6.1: a message with both is an attempt at smuggling; and "chunked" must be
    // the only coding, because no other can be undone by every reader.
    if (f.encodings > 1 || !iequals(f.encoding, "chunked")) {
      return HeadError{400, "bad_framing", "Transfer-Encoding other than exactly chunked"};
    }
    if (f.lengths != 0) {
      return HeadError{400, "bad_framing", "both Transfer-Encoding and Content-Length"};
    }
    if (head.minor_version == 0) {
      return HeadError{400, "bad_framing", "Transfer-Encoding in HTTP/1.0"};
    }
    head.body = BodyKind::kChunked;
    return std::nullopt;
  }
  if (f.lengths > 1) {
    return HeadError{400, "bad_framing", "more than one Content-Length"};
  }
  if (f.lengths == 1) {
    const auto length = parse_length(f.length);
    if (!length) {
      return HeadError{400, "bad_framing", "Content-Length is not a number"};
    }
    head.content_length = *length;
    head.body = *length == 0 ? BodyKind::kNone : BodyKind::kLength;
  }
  return std::nullopt;
}

}  // namespace

bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (ascii::lower(a[i]) != ascii::lower(b[i])) {
      return false;
    }
  }
  return true;
}

bool same_variable(std::string_view name, std::string_view known) {
  return name.size() == known.size() &&
         std::equal(name.begin(), name.end(), known.begin(), [](char a, char b) {
           return ascii::lower(a) == ascii::lower(b) || (a == '_' && b == '-');
         });
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return kTokenChars[static_cast<unsigned char>(c)];
  });
}

bool list_contains(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (iequals(ascii::trim(list.substr(0, comma)), token)) {
      return true;
    }
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

std::optional<std::uint64_t> parse_length(std::string_view text) {
  if (text.empty() || text.size() > 18) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

bool overrides_identity(std::string_view name) {
  static constexpr std::string_view kNames[] = {"x-http-method-override",
                                                "http-method-override",
                                                "x-method-override",
                                                "x-http-method",
                                                "x-http-verb",
                                                "x-method",
                                                "x-original-method",
                                                "x-rewrite-method",
                                                "x-http-path-override",
                                                "x-original-url",
                                                "x-original-uri",
                                                "x-original-path",
                                                "x-original-request-uri",
                                                "x-original-host",
                                                "x-rewrite-url",
                                                "x-rewrite-uri",
                                                "x-override-url",
                                                "x-replaced-path",
                                                "x-envoy-original-path",
                                                "x-envoy-original-method",
                                                "x-envoy-original-host",
                                                "x-waws-unencoded-url",
                                                "x-request-uri",
                                                "x-request-path",
                                                "x-request-url",
                                                "x-forwarded-method",
                                                "x-forwarded-uri",
                                                "x-forwarded-url",
                                                "x-forwarded-path",
                                                "x-forwarded-prefix",
                                                "x-forwarded-request-uri",
                                                "x-forwarded-original-uri",
                                                "x-forwarded-host",
                                                "x-forwarded-server",
                                                "x-host",
                                                "x-http-host-override",
                                                "x-proxy-url",
                                                "x-http-destinationurl",
                                                "forwarded"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](std::string_view known) { return same_variable(name, known); });
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE" ||
         method == "PUT" || method == "DELETE";
}

bool is_digest_field(std::string_view name) {
  static constexpr std::string_view kNames[] = {"content-md5", "digest", "content-digest",
                                                "repr-digest"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](std::string_view known) { return iequals(name, known); });
}

bool may_be_trailer(std::string_view name) {
  static constexpr std::string_view kForbidden[] = {"transfer-encoding",
                                                    "content-length",
                                                    "host",
                                                    "authorization",
                                                    "cookie",
                                                    "set-cookie",
                                                    "content-encoding",
                                                    "content-type",
                                                    "content-range",
                                                    "trailer",
                                                    "connection",
                                                    "te",
                                                    "upgrade",
                                                    "keep-alive",
                                                    "cache-control",
                                                    "expect",
                                                    "max-forwards",
                                                    "range",
                                                    "location",
                                                    "alt-svc"};
  if (name.size() > 6 && same_variable(name.substr(0, 6), "proxy-")) {
    return false;
  }
  return !overrides_identity(name) &&
         std::none_of(std::begin(kForbidden), std::end(kForbidden),
                      [&](std::string_view forbidden) { return same_variable(name, forbidden); });
}

void RequestHead::reset() {
  method = {};
  target = {};
  host = {};
  scheme = {};
  expect_continue = false;
  http2 = false;
  reset_common();
}

void ResponseHead::reset() {
  status = 0;
  reason = {};
  reset_common();
}

Head::~Head() {
  OPENSSL_cleanse(storage.data(), storage.size());
}

void Head::reset_common() {
  OPENSSL_cleanse(storage.data(), storage.size());
  storage.clear();
  fields.clear();
  minor_version = 1;
  body = BodyKind::kNone;
  content_length = 0;
  keep_alive = true;
  websocket_upgrade = false;
}

const Field* Head::find(std::string_view name) const {
  for (const Field& field : fields) {
    if (iequals(field.name, name)) {
      return &field;
    }
  }
  return nullptr;
}

bool Head::is_hop_by_hop(std::string_view name) const {
  switch (name.size()) {
    case 2:
      if (iequals(name, "te")) {
        return true;
      }
      break;
    case 7:
      if (iequals(name, "upgrade") || iequals(name, "trailer")) {
        return true;
      }
      break;
    case 10:
      if (iequals(name, "connection") || iequals(name, "keep-alive")) {
        return true;
      }
      break;
    case 14:
      // RFC 7540 section 3.2.1; without the Upgrade that it belongs to it has nothing to say.
      if (iequals(name, "http2-settings")) {
        return true;
      }
      break;
    case 17:
      if (iequals(name, "transfer-encoding")) {
        return true;
      }
      break;
    default:
      break;
  }
  if (name.size() > 6 && iequals(name.substr(0, 6), "proxy-")) {
    return true;
  }
  for (const Field& field : fields) {
    if (field.name.size() == 10 && iequals(field.name, "connection") &&
        list_contains(field.value, name)) {
      return true;
    }
  }
  return false;
}

std::optional<HeadError> check_credentials(const RequestHead& head) {
  std::size_t own = 0;
  std::size_t proxys = 0;
  for (const Field& field : head.fields) {
    own += field.name.size() == 13 && iequals(field.name, "authorization") ? 1 : 0;
    proxys += field.name.size() == 19 && iequals(field.name, "proxy-authorization") ? 1 : 0;
  }
  if (own > 1 || proxys > 1) {
    return HeadError{400, "ambiguous_credentials", "more than one field with credentials"};
  }
  return std::nullopt;
}

std::optional<HeadError> check_request_head(RequestHead& head) {
  const Framing f = collect(head);
  head.keep_alive = head.minor_version == 1 ? !f.close : f.keep_alive && !f.close;
  if (auto error = apply_body_framing(head, f)) {
    return error;
  }
  if (f.disguised) {
    return HeadError{400, "bad_framing", "a framing field spelt with an underscore"};
  }
  std::size_t hosts = 0;
  head.host = {};
  head.expect_continue = false;
  if (auto error = check_credentials(head)) {
    return error;
  }
  for (const Field& field : head.fields) {
    if (field.name.size() == 4 && iequals(field.name, "host")) {
      ++hosts;
      head.host = field.value;
    } else if (field.name.size() == 6 && iequals(field.name, "expect")) {
      if (!iequals(field.value, "100-continue")) {
        return HeadError{417, "expectation_failed", "Expect other than 100-continue"};
      }
      head.expect_continue = head.minor_version == 1;
    }
  }
  if (hosts > 1 || (hosts == 0 && head.minor_version == 1) || (hosts == 1 && head.host.empty())) {
    return HeadError{400, "bad_host", "exactly one Host field is required"};
  }
  head.websocket_upgrade = false;
  if (f.upgrades != 0 && f.upgrade_option) {
    if (f.upgrades > 1 || !iequals(f.upgrade, "websocket") || head.method != "GET" ||
        head.minor_version == 0 || head.body != BodyKind::kNone) {
      // h2c and unknown protocols would turn the connection into something nobody inspects. An
      // Upgrade may always be ignored (RFC 9110 section 7.8), so it is dropped and not refused.
      head.websocket_upgrade = false;
    } else {
      head.websocket_upgrade = true;
    }
  }
  return std::nullopt;
}

bool has_no_body(int status, std::string_view request_method) {
  return status < 200 || status == 204 || status == 304 || request_method == "HEAD";
}

std::optional<HeadError> check_response_head(ResponseHead& head, std::string_view request_method) {
  const Framing f = collect(head);
  head.keep_alive = head.minor_version == 1 ? !f.close : f.keep_alive && !f.close;
  if (auto error = apply_body_framing(head, f)) {
    error->status = 502;
    error->code = "upstream_protocol";
    return error;
  }
  head.websocket_upgrade =
      head.status == 101 && f.upgrade_option && f.upgrades == 1 && iequals(f.upgrade, "websocket");
  // RFC 9112 section 6.3, rules 1 and 8.
  if (has_no_body(head.status, request_method)) {
    head.body = BodyKind::kNone;
  } else if (f.lengths == 0 && f.encodings == 0) {
    head.body = BodyKind::kUntilClose;
    head.keep_alive = false;
  }
  return std::nullopt;
}

}  // namespace av::proxy
