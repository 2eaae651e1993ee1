#include "core/ossl.h"

#include <openssl/err.h>

namespace av::ossl {

std::string drain_errors() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (!text.empty()) {
      text += "; ";
    }
    text += reason != nullptr ? reason : "error " + std::to_string(code);
  }
  return text;
}

Error error(std::string what) {
  const std::string queue = drain_errors();
  if (!queue.empty()) {
    what += ": " + queue;
  }
  return make_error(ErrorCode::kCrypto, std::move(what));
}

}  // namespace av::ossl
