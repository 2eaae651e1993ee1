// Whether a text quotes a secret (the first line): as a slower look at the same finds.

#include <algorithm>
#include <cstdint>
#include <string>

#include "core/ascii.h"
#include "fuzz/require.h"
#include "vault/quoting.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = av::init_secret_arena();
  (void)arena;
  if (size > 2048) {
    return 0;
  }
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(all.find('\n'), all.size());
  const std::string_view text = all.substr(std::min(line + 1, all.size()));
  const auto secret = av::Secret::copy_of(all.substr(0, line));
  require(secret.has_value());
  const std::string wanted = av::ascii::lower(all.substr(0, line));
  const std::string where = av::ascii::lower(text);
  bool found = wanted.size() >= 4 && wanted.size() <= 6 && where.find(wanted) != std::string::npos;
  for (std::size_t at = 0; wanted.size() > 6 && at + 6 <= wanted.size(); ++at) {
    found = found || where.find(wanted.substr(at, 6)) != std::string::npos;
  }
  require(av::vault::quotes(text, *secret) == found);
  return 0;
}
