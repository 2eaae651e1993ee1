#include "proxy/injector.h"

#include <algorithm>
#include <optional>
#include <variant>
#include <vector>

#include "core/ascii.h"
#include "core/encoding.h"
#include "proxy/content_decoder.h"
#include "proxy/injected_places.h"
#include "proxy/query.h"
#include "proxy/websocket_handshake.h"

namespace av::proxy {
namespace {

// With 1 MiB values percent-encoded, one of them still fits.
constexpr std::size_t kMaxRenderedHead = std::size_t{4} << 20;

// A field whose value comes from the vault.
struct InjectedField {
  std::string name;
  SecretBuffer value;
  bool written = false;
};

Fault credential_invalid(std::string_view key) {
  Fault fault;
  fault.status = 502;
  fault.code = "credential_invalid";
  fault.message = "the value of " + std::string(key) +
                  " has a line break or another control character and cannot go into a header";
  fault.help =
      "the owner of the vault can set it again without: agent-vault vault credential set " +
      std::string(key);
  return fault;
}

// RFC 9110 section 5.5: CR, LF and NUL in a field value are an injection; other controls are
// invalid.
bool fits_header(std::string_view value) {
  return std::all_of(value.begin(), value.end(), ascii::is_field_char);
}

// One exchange's rendering: what goes where, and the first thing that went wrong.
class Rendering {
 public:
  Rendering(const vault::Service* service, const ResolvedCredential* credential)
      : service_(service), credential_(credential) {
    if (service_ != nullptr) {
      for_each_injected_field(service_->auth, [this](std::string_view name, const auto& source) {
        InjectedField& field = fields_.emplace_back();
        field.name = name;
        fill(field.value, source);
      });
    }
  }

  [[nodiscard]] const std::optional<Fault>& fault() const { return fault_; }
  [[nodiscard]] std::vector<InjectedField>& fields() { return fields_; }

  [[nodiscard]] InjectedField* field_named(std::string_view name) {
    for (InjectedField& field : fields_) {
      if (same_variable(name, field.name)) {
        return &field;
      }
    }
    return nullptr;
  }

  void append_target(SecretBuffer& out, const vault::Target& target) {
    append_substituted(out, target.path, vault::Surface::kPath);
    const vault::ApiKeyAuth* const api_key = injected_parameter(service_);
    char separator = '?';
    if (target.has_query) {
      std::string query = target.query;
      if (api_key != nullptr) {
        query = without_parameter(query, api_key->query);
      }
      if (!query.empty() || api_key == nullptr) {
        out.push_back(separator);
        separator = '&';
        append_substituted(out, query, vault::Surface::kQuery);
      }
    }
    if (api_key != nullptr) {
      out.push_back(separator);
      out.append(encoding::percent(api_key->query));
      out.push_back('=');
      out.append(encoding::percent(api_key->prefix));
      credential_->value(api_key->key).reveal([&](std::string_view value) {
        encoding::append_percent(out, value);
      });
    }
  }

  // A header value of the client's, with declared placeholders replaced. True: there were some.
  bool append_header_value(SecretBuffer& out, std::string_view value) {
    const std::size_t before = substituted_;
    append_substituted(out, value, vault::Surface::kHeader);
    return substituted_ != before;
  }

 private:
  void fill(SecretBuffer& out, const vault::BearerAuth& auth) {
    out.append("Bearer ");
    out.append(checked(auth.token_key));
  }
  void fill(SecretBuffer& out, const vault::BasicAuth& auth) {
    SecretBuffer pair;
    pair.append(auth.username_literal);
    pair.append(checked(auth.username_key));
    pair.push_back(':');
    pair.append(checked(auth.password_key));
    out.append("Basic ");
    encoding::append_base64(out, pair.view());
  }
  void fill(SecretBuffer& out, const vault::ApiKeyAuth& auth) {
    out.append(auth.prefix);
    out.append(checked(auth.key));
  }
  void fill(SecretBuffer& out, const vault::CustomAuth::Header& header) {
    for (const vault::TemplatePiece& piece : header.pieces) {
      out.append(piece.text);
      out.append(checked(piece.credential_key));
    }
  }

  // The value, after making sure that it may stand in a header.
  const Secret& checked(std::string_view key) {
    static const Secret kNone;
    if (key.empty()) {
      return kNone;
    }
    const Secret& value = credential_->value(key);
    if (!value.reveal(fits_header)) {
      fault_ = credential_invalid(key);
    }
    return value;
  }

  void append_substituted(SecretBuffer& out, std::string_view text, vault::Surface surface) {
    if (service_ == nullptr || service_->substitutions.empty()) {
      out.append(text);
      return;
    }
    while (const auto found = service_->find_substitution(text, surface)) {
      const vault::Substitution& s = service_->substitutions[found->index];
      out.append(text.substr(0, found->at));
      substitute(out, s, surface);
      ++substituted_;
      text.remove_prefix(found->at + s.placeholder.size());
    }
    out.append(text);
  }

  void substitute(SecretBuffer& out, const vault::Substitution& s, vault::Surface surface) {
    // A head of placeholders must not become gigabytes of values.
    const std::size_t grown = out.size() + 3 * credential_->value(s.credential_key).size();
    if (grown > kMaxRenderedHead) {
      Fault fault;
      fault.status = 431;
      fault.code = "head_too_large";
      fault.message = "the request head is too large with its placeholders replaced";
      fault_ = std::move(fault);
      return;
    }
    if (surface == vault::Surface::kHeader) {
      out.append(checked(s.credential_key));
      return;
    }
    credential_->value(s.credential_key).reveal([&](std::string_view value) {
      encoding::append_percent(out, value);
    });
  }

  const vault::Service* service_;
  const ResolvedCredential* credential_;
  std::vector<InjectedField> fields_;
  std::size_t substituted_ = 0;
  std::optional<Fault> fault_;
};

// Keeps the codings that the reflection guard can look into (RFC 9110 section 12.5.3).
std::string inspectable_codings(std::string_view accept_encoding) {
  std::string kept;
  while (!accept_encoding.empty()) {
    const std::size_t comma = accept_encoding.find(',');
    const std::string_view item = ascii::trim(accept_encoding.substr(0, comma));
    const std::string_view coding = ascii::trim(item.substr(0, item.find(';')));
    if (is_inspectable_coding(coding)) {
      kept += kept.empty() ? "" : ", ";
      kept += item;
    }
    accept_encoding =
        comma == std::string_view::npos ? std::string_view() : accept_encoding.substr(comma + 1);
  }
  return kept.empty() ? "identity" : kept;
}

bool frames_body(std::string_view name) {
  return iequals(name, "content-length") || iequals(name, "transfer-encoding");
}

// A rewritten body has one framing field, whatever the client's was.
void add_new_framing(HeadText& out, const InjectOptions& options) {
  if (options.body_length) {
    out.add("Content-Length", std::to_string(*options.body_length));
  } else {
    out.add("Transfer-Encoding", "chunked", HeadText::Kind::kHttp1Only);
  }
}

// One field of the client's: kept, rewritten or dropped.
void add_client_field(HeadText& out, const Field& field, const RequestHead& head,
                      const vault::RequestIdentity& identity, Rendering& rendering,
                      bool narrow_encoding, const InjectOptions& options) {
  if (InjectedField* const injected = rendering.field_named(field.name)) {
    // The client's own value in an injected slot is always replaced, in its place.
    if (!injected->written) {
      out.add(injected->name, injected->value.view(), HeadText::Kind::kSecret);
      injected->written = true;
    }
    return;
  }
  if (iequals(field.name, "host")) {
    out.add(field.name, vault::to_string(identity.authority, identity.scheme),
            HeadText::Kind::kHttp1Only);
    return;
  }
  if (iequals(field.name, "content-length")) {
    out.add(field.name, std::to_string(head.content_length));
    return;
  }
  if (iequals(field.name, "transfer-encoding")) {
    out.add(field.name, "chunked", HeadText::Kind::kHttp1Only);
    return;
  }
  if (iequals(field.name, "te") && list_contains(field.value, "trailers")) {
    out.add(field.name, "trailers");
    return;
  }
  if (head.websocket_upgrade && iequals(field.name, "connection")) {
    out.add(field.name, "Upgrade", HeadText::Kind::kHttp1Only);
    return;
  }
  if (head.websocket_upgrade && iequals(field.name, "upgrade")) {
    out.add(field.name, "websocket", HeadText::Kind::kHttp1Only);
    return;
  }
  if (head.is_hop_by_hop(field.name)) {
    return;
  }
  if (narrow_encoding && iequals(field.name, "accept-encoding")) {
    out.add(field.name, inspectable_codings(field.value));
    return;
  }
  if (narrow_encoding && (iequals(field.name, "grpc-accept-encoding") ||
                          iequals(field.name, "connect-accept-encoding"))) {
    return;  // neither could messages that are compressed one by one
  }
  if (narrow_encoding && (iequals(field.name, "range") || iequals(field.name, "if-range"))) {
    // Asked for in slices, a value would never be seen whole. The full answer is always a legal one
    // (RFC 9110 section 14.2).
    return;
  }
  if (head.http2 && head.websocket_upgrade && iequals(field.name, "sec-websocket-key")) {
    return;  // RFC 8441 section 5: not used there; ours goes upstream
  }
  if ((narrow_encoding || options.plain_websocket) && head.websocket_upgrade &&
      iequals(field.name, "sec-websocket-extensions")) {
    return;  // compressed frames could not be looked into
  }
  SecretBuffer& value = out.begin(field.name);
  const bool substituted = rendering.append_header_value(value, field.value);
  out.end(substituted ? HeadText::Kind::kSecret : HeadText::Kind::kPlain);
}

// What HTTP/1.1 needs and a client of HTTP/2 has said in other ways.
void add_missing_framing(HeadText& out, const RequestHead& head, BodyKind body,
                         std::string_view websocket_key) {
  if (body == BodyKind::kChunked && !out.contains("transfer-encoding")) {
    out.add("Transfer-Encoding", "chunked", HeadText::Kind::kHttp1Only);
  }
  if (head.websocket_upgrade && !out.contains("upgrade")) {
    out.add("Connection", "Upgrade", HeadText::Kind::kHttp1Only);
    out.add("Upgrade", "websocket", HeadText::Kind::kHttp1Only);
    out.add("Sec-WebSocket-Key", websocket_key, HeadText::Kind::kHttp1Only);
    if (!out.contains("sec-websocket-version")) {
      out.add("Sec-WebSocket-Version", "13", HeadText::Kind::kHttp1Only);
    }
  }
  // RFC 9110 section 8.6: a method that expects content says that there is none; some servers
  // insist on it (411).
  const bool expects_content =
      head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
  if (body == BodyKind::kNone && expects_content && !out.contains("content-length")) {
    out.add("Content-Length", "0", HeadText::Kind::kHttp1Only);
  }
}

}  // namespace

void append_http1_head(SecretBuffer& out, const OutboundRequest& request) {
  out.append(request.method());
  out.push_back(' ');
  out.append(request.target());
  out.append(" HTTP/1.1\r\n");
  out.append(request.fields().text());
  out.append("\r\n");
}

Outcome<OutboundRequest> Injector::inject(vault::AllowedRequest allowed, ResolvedPtr resolved,
                                          const RequestHead& head, const InjectOptions& options) {
  const vault::PolicySnapshot& policy = allowed.snapshot();  // kept by the request
  OutboundRequest request(std::move(allowed), std::move(resolved));
  const vault::RequestIdentity& identity = request.identity();
  request.body_ = head.body;
  if (options.body_rewritten) {
    request.body_ = options.body_length ? BodyKind::kLength : BodyKind::kChunked;
  }
  request.websocket_ = head.websocket_upgrade;
  // Without a credential nothing is injected, whatever the service says (passthrough).
  Rendering rendering(request.resolved_ == nullptr ? nullptr : request.service(),
                      request.resolved_.get());
  rendering.append_target(request.target_, identity.target);
  HeadText& out = request.fields_;
  out.reserve(head.storage.size() + 512);
  if (head.find("host") == nullptr) {
    out.add("Host", vault::to_string(identity.authority, identity.scheme),
            HeadText::Kind::kHttp1Only);
  }
  const bool narrow = request.resolved_ != nullptr;
  bool framed = !options.body_rewritten;
  for (const Field& field : head.fields) {
    // Dropped where something was decided by what the request is. The rules are asked last: there
    // may be many, and hardly a request has such a field.
    if (overrides_identity(field.name) &&
        (narrow || request.service() != nullptr || policy.rules.concern(identity.authority.host))) {
      continue;
    }
    if (options.body_rewritten && (frames_body(field.name) || is_digest_field(field.name))) {
      if (!framed && frames_body(field.name)) {
        add_new_framing(out, options);
        framed = true;
      }
      continue;
    }
    add_client_field(out, field, head, identity, rendering, narrow, options);
  }
  if (!framed) {
    add_new_framing(out, options);
  }
  for (InjectedField& field : rendering.fields()) {
    if (!field.written) {
      out.add(field.name, field.value.view(), HeadText::Kind::kSecret);
    }
  }
  if (head.http2) {
    if (head.websocket_upgrade) {
      request.websocket_key_ = make_websocket_key();
    }
    add_missing_framing(out, head, request.body_, request.websocket_key_);
  }
  if (rendering.fault()) {
    return *rendering.fault();
  }
  return request;
}

}  // namespace av::proxy
