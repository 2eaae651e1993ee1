#pragma once
// Message heads as both codecs deliver them, and the strict rules that every head must pass before
// anything is forwarded. Views point into `storage`; a head is not copied.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace av::proxy {

struct Field {
  std::string_view name;   // as spelt by the sender
  std::string_view value;  // without surrounding white space
};

// ASCII case-insensitive.
[[nodiscard]] bool iequals(std::string_view a, std::string_view b);
// The same name to a server that turns fields into variables: CGI, WSGI and PHP make HTTP_X_API_KEY
// of "X-Api-Key" and of "X_Api_Key" (RFC 3875 section 4.1.18). `known` is spelt with hyphens.
[[nodiscard]] bool same_variable(std::string_view name, std::string_view known);
// RFC 9110 section 5.6.2.
[[nodiscard]] bool is_token(std::string_view text);
// True when a comma-separated list field holds this token.
[[nodiscard]] bool list_contains(std::string_view list, std::string_view token);

// Content-Length: digits only, no sign, no white space, no list (RFC 9110 section 8.6).
[[nodiscard]] std::optional<std::uint64_t> parse_length(std::string_view text);
// Frameworks let these stand in for the method, the path and the host that policy has looked at;
// those behind CGI or WSGI take "_" for "-".
[[nodiscard]] bool overrides_identity(std::string_view name);
// RFC 9110 section 9.2.2: may be sent again when it is not known whether it was received.
[[nodiscard]] bool is_idempotent(std::string_view method);
// Digests of a body, or of the representation it carries (RFC 9530 and what came before it). They
// are not true of a body that was changed on the way.
[[nodiscard]] bool is_digest_field(std::string_view name);
// Trailer fields with framing, routing, authentication or hop-by-hop meaning are not forwarded (RFC
// 9110 section 6.5.1): some servers merge trailers into the head.
[[nodiscard]] bool may_be_trailer(std::string_view name);

enum class BodyKind : std::uint8_t {
  kNone,
  kLength,      // Content-Length
  kChunked,     // Transfer-Encoding: chunked
  kUntilClose,  // responses only
};

struct Head {
  Head() = default;
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;
  // A response may repeat what was injected: the text is wiped.
  ~Head();

  std::string storage;
  std::vector<Field> fields;
  int minor_version = 1;
  BodyKind body = BodyKind::kNone;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  // `Connection: upgrade` and `Upgrade: websocket`, and no other upgrade.
  bool websocket_upgrade = false;

  // First field of that name; null when absent.
  [[nodiscard]] const Field* find(std::string_view name) const;
  // Named by a Connection field of this head, or hop-by-hop by nature (RFC 9110 section 7.6.1).
  [[nodiscard]] bool is_hop_by_hop(std::string_view name) const;

 protected:
  // The derived heads have one that drops their views first: storage is about to be replaced.
  void reset_common();
};

struct RequestHead : Head {
  std::string_view method;
  std::string_view target;
  // The value of Host or :authority; empty when there is none (HTTP/1.0).
  std::string_view host;
  // Of :scheme (RFC 9113 section 8.3.1); empty in HTTP/1.
  std::string_view scheme;
  bool expect_continue = false;
  bool http2 = false;

  void reset();
};

struct ResponseHead : Head {
  int status = 0;
  std::string_view reason;

  void reset();
};

// RFC 9112 section 6.3 rule 1, RFC 9110 section 6.4.1: responses that never have a body, whatever
// their fields say.
[[nodiscard]] bool has_no_body(int status, std::string_view request_method);

// Why a head was refused; text for the client and the log, never with bytes of the head.
struct HeadError {
  int status = 400;
  const char* code = "bad_request";
  const char* message = "";
};

// Interprets the fields of a parsed head: framing, connection options, Host. Refuses everything
// that two readers could read differently (RFC 9112 sections 6.1, 6.3, 11.2).
[[nodiscard]] std::optional<HeadError> check_request_head(RequestHead& head);
// Neither of Authorization and Proxy-Authorization is a list (RFC 9110 section 11.6.2): of two, one
// reader takes the first and the next one the last. Part of check_request_head; HTTP/2 heads are
// checked by it too.
[[nodiscard]] std::optional<HeadError> check_credentials(const RequestHead& head);
// `request_method` decides whether there is a body (HEAD) and what a 1xx/204/304 means.
[[nodiscard]] std::optional<HeadError> check_response_head(ResponseHead& head,
                                                           std::string_view request_method);

}  // namespace av::proxy
