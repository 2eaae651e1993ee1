// Nothing that was not sealed under the key opens; a token is one or is refused.

#include <cstdint>
#include <string>

#include "core/secret.h"
#include "fuzz/require.h"
#include "source/enc_string.h"
#include "source/sm_token.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = av::init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  const std::string text(reinterpret_cast<const char*>(data), size);
  static const av::Secret key = std::move(*av::Secret::copy_of(std::string(64, 'k')));
  const auto opened = av::source::open_enc_string(key, text);
  require(!opened && !opened.error().message.empty());
  if (const auto secret = av::Secret::copy_of(text)) {
    const auto token = av::source::read_sm_token(*secret);
    require(!token || (token->id.size() == 36 && token->key.size() == 64));
    static_cast<void>(av::source::sm_organization(*secret));
  }
  return 0;
}
