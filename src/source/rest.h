#pragma once
// Rest: JSON over the Http port, as the APIs of stores speak it. What every one of them has in
// common is here: bodies and answers in memory that is wiped, redirects and throttling, and words
// of the other side that are fit for a message.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.h"
#include "source/ports.h"
#include "source/provider.h"
#include "vault/json_view.h"

namespace av::source {

// An object of strings.
class JsonBody {
 public:
  // Each name once; the caller sees to it.
  JsonBody& add(std::string_view name, std::string_view value);
  JsonBody& add(std::string_view name, const Secret& value);
  [[nodiscard]] SecretBuffer finish();

 private:
  SecretBuffer out_;
};

// Appends "NAME: VALUE\r\n". The value has been checked: fits_field().
void add_field(SecretBuffer& fields, std::string_view name, std::string_view value);
void add_field(SecretBuffer& fields, std::string_view name, const Secret& value,
               std::string_view before = {});
// Visible ASCII, at most 16 KiB: what tokens of any kind are made of.
[[nodiscard]] bool fits_field(const Secret& value);

// What went out with a request, so that an answer that quotes it is not shown. Not owned.
using Sent = std::vector<const Secret*>;

struct RestAnswer {
  int status = 0;
  std::int64_t retry_ms = 0;
  Secret body;
  std::optional<vault::JsonDocument> json;  // over `body`; empty when that is no JSON object

  [[nodiscard]] bool good() const { return status >= 200 && status < 300; }
  // A member, by the names on the way to it. It must not outlive this answer, nor a move of it.
  [[nodiscard]] std::optional<vault::JsonView> find(
      std::initializer_list<std::string_view> names) const;
  // The text there, fit for a message: printable, one line, short; empty when there is none, or
  // when it quotes what was sent.
  [[nodiscard]] std::string said(std::initializer_list<std::string_view> names,
                                 const Sent& sent) const;
};

class Rest {
 public:
  // `base`: see api_url(). `who`: "Vault", in messages.
  Rest(Http& http, std::string base, std::string who);

  // `target`: "/v1/..."; without a secret in it. Redirects (kRefused), throttling (kBusy) and good
  // answers that are not JSON (kMalformed; no body at all is fine) are failures already.
  [[nodiscard]] Result<RestAnswer> send(std::string_view method, const std::string& target,
                                        SecretBuffer fields, SecretBuffer body = {}) const;
  [[nodiscard]] const std::string& who() const { return who_; }

 private:
  Http& http_;
  std::string base_;
  std::string who_;
};

// The members of an object as fields: strings decoded, everything else as it stands; nulls are left
// out. kMalformed: no object, or more than 1024.
[[nodiscard]] Result<Record> record_of(const std::optional<vault::JsonView>& object,
                                       std::string_view who);
// A string member that holds a secret which will stand in a field of requests; kMalformed.
[[nodiscard]] Result<Secret> token_of(const std::optional<vault::JsonView>& member,
                                      std::string_view who);
// Running out of locked memory, as a failure.
[[nodiscard]] Result<Secret> kept(Expected<Secret> secret);
// Seconds as milliseconds; nothing below zero, and a century at most.
[[nodiscard]] std::int64_t seconds_to_ms(std::int64_t seconds);

// `url` as the start of request URLs: absolute, without query or slash at the end. http:// is for
// this machine, unless `plain`. kInvalid.
[[nodiscard]] Result<std::string> api_url(std::string url, bool plain);

}  // namespace av::source
