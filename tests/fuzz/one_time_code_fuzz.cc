// Whatever is kept as "totp" makes a code of at most ten characters that ends within a day, or
// none.

#include <cstdint>
#include <string>

#include "core/secret.h"
#include "fuzz/require.h"
#include "source/bitwarden_reference.h"
#include "source/one_time_code.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = av::init_secret_arena();
  (void)arena;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto kept = av::Secret::copy_of(text)) {
    for (const std::int64_t now : {std::int64_t{0}, std::int64_t{1'800'000'000'123}}) {
      const auto code = av::source::totp_code(*kept, now);
      require(!code || (code->code.size() >= 1 && code->code.size() <= 10));
      require(!code || (code->left_ms > 0 && code->left_ms <= 86'400'000));
    }
  }
  for (const auto parse : {av::source::parse_bitwarden_access, av::source::parse_bitwarden_cli,
                           av::source::parse_bitwarden_sm}) {
    const auto found = parse(text);
    require(!found || (!found->item.empty() && !found->field.empty()));
  }
  return 0;
}
