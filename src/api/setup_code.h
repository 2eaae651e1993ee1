#pragma once
// SetupCode: what proves, in a browser, that one may become the first owner: 128 random bits that
// only the terminal of `serve` shows. Kept as a hash; five wrong tries void it and a new one is
// shown. Belongs to one thread.

#include <functional>
#include <optional>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::api {

class SetupCode {
 public:
  static constexpr int kTries = 5;
  // Shows a code to whoever started the server: "ABCDE-12345-...". Nowhere else.
  using Announce = std::function<void(const Secret& code)>;

  explicit SetupCode(Announce announce) : announce_(std::move(announce)) {}

  // Makes and shows a new one; the one before is void.
  [[nodiscard]] Status make();
  void forget() { hash_.reset(); }
  [[nodiscard]] bool exists() const { return hash_.has_value(); }
  // Whether it is the one; in any case and with or without hyphens. False when there is none.
  [[nodiscard]] bool matches(const Secret& given);

 private:
  Announce announce_;
  std::optional<crypto::Digest> hash_;
  int wrong_ = 0;
};

}  // namespace av::api
