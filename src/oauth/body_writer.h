#pragma once
// BodyWriter: the parameters of a request, as a form or as JSON, in memory that is wiped.

#include <string_view>
#include <utility>

#include "core/secret.h"
#include "vault/oauth.h"

namespace av::oauth {

class BodyWriter {
 public:
  explicit BodyWriter(bool json) : json_(json) {}

  // Each name once; the caller sees to it.
  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, const Secret& value) {
    value.reveal([&](std::string_view bytes) { add(name, bytes); });
  }
  void add(const vault::OauthParams& params) {
    for (const auto& [name, value] : params) {
      add(name, value);
    }
  }
  [[nodiscard]] SecretBuffer finish();
  [[nodiscard]] std::string_view content_type() const {
    return json_ ? "application/json" : "application/x-www-form-urlencoded";
  }

 private:
  bool json_;
  SecretBuffer out_;
};

// "Basic ...": id and secret are form-encoded first (RFC 6749 section 2.3.1).
[[nodiscard]] SecretBuffer basic_authorization(std::string_view client_id,
                                               const Secret& client_secret);
// "Bearer ...".
[[nodiscard]] SecretBuffer bearer_authorization(const Secret& token);

}  // namespace av::oauth
