#pragma once
// Injector: rebuilds the request head with the credential in its slot. The only maker of
// OutboundRequest, and OutboundRequest is the only thing that may be sent upstream.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/secret.h"
#include "proxy/credential_resolver.h"
#include "proxy/fault.h"
#include "proxy/head.h"
#include "proxy/head_text.h"
#include "vault/policy.h"

namespace av::proxy {

class OutboundRequest {
 public:
  OutboundRequest(OutboundRequest&&) noexcept = default;
  OutboundRequest& operator=(OutboundRequest&&) noexcept = default;
  OutboundRequest(const OutboundRequest&) = delete;
  OutboundRequest& operator=(const OutboundRequest&) = delete;
  ~OutboundRequest() = default;

  // Method and target as they are sent. The target may carry a credential.
  [[nodiscard]] std::string_view method() const { return allowed_.identity().method; }
  [[nodiscard]] std::string_view target() const { return target_.view(); }
  [[nodiscard]] const HeadText& fields() const { return fields_; }
  [[nodiscard]] const vault::RequestIdentity& identity() const { return allowed_.identity(); }
  [[nodiscard]] const vault::Service* service() const { return allowed_.service(); }
  // Null when nothing was injected: the response needs no scrubbing.
  [[nodiscard]] const ResolvedCredential* credential() const { return resolved_.get(); }
  [[nodiscard]] BodyKind body() const { return body_; }
  [[nodiscard]] bool websocket() const { return websocket_; }
  // Ours, where the client's protocol has none; empty when the client has sent one itself.
  [[nodiscard]] const std::string& websocket_key() const { return websocket_key_; }

 private:
  friend class Injector;
  OutboundRequest(vault::AllowedRequest allowed, ResolvedPtr resolved)
      : allowed_(std::move(allowed)), resolved_(std::move(resolved)) {}
  vault::AllowedRequest allowed_;
  ResolvedPtr resolved_;
  SecretBuffer target_;
  HeadText fields_;
  BodyKind body_ = BodyKind::kNone;
  bool websocket_ = false;
  std::string websocket_key_;
};

// What else has been decided about the request: see RequestBodyFilter and PlaceholderGuard.
struct InjectOptions {
  // Placeholders in the body are replaced: fields with its digest are dropped, and it goes out with
  // `body_length` or, when that is not known, chunked.
  bool body_rewritten = false;
  std::optional<std::uint64_t> body_length;
  // Messages are looked into: no WebSocket extension is offered.
  bool plain_websocket = false;
};

// The head in HTTP/1.1 syntax, the empty line included.
void append_http1_head(SecretBuffer& out, const OutboundRequest& request);

class Injector {
 public:
  // `head` has passed check_request_head and PlaceholderGuard::check_head, which counts what is
  // replaced here; `resolved` is what the resolver made of `allowed`.
  [[nodiscard]] static Outcome<OutboundRequest> inject(vault::AllowedRequest allowed,
                                                       ResolvedPtr resolved,
                                                       const RequestHead& head,
                                                       const InjectOptions& options = {});
  // Back to what policy allowed, to be injected once more with other values. Nothing may still
  // refer to the request.
  [[nodiscard]] static vault::AllowedRequest withdraw(OutboundRequest request) {
    return std::move(request.allowed_);
  }
};

}  // namespace av::proxy
