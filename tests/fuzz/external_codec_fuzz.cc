// What is kept of paired stores: settings and packed secrets, as any bytes. What is taken has a
// form of its own, and that one is taken for the same.

#include <cstdint>
#include <string>

#include "core/encoding.h"
#include "fuzz/require.h"
#include "vault/external.h"

using namespace av;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 256 * 1024) {
    return 0;
  }
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto settings = vault::settings_from_json(text)) {
    const auto again = vault::settings_from_json(vault::settings_to_json(*settings));
    require(again && *again == *settings);
    for (const auto& [name, value] : *settings) {
      require(encoding::is_utf8(name) && encoding::is_utf8(value));
    }
  } else {
    require(!settings.error().message.empty());
  }
  vault::StoreSettings raw;
  raw["name"] = text;
  if (vault::check_settings(raw)) {
    const auto again = vault::settings_from_json(vault::settings_to_json(raw));
    require(again && *again == raw);
  }
  const auto packed = Secret::copy_of(text);
  require(packed.has_value());
  if (const auto secrets = vault::unpack_store_secrets(*packed)) {
    const auto again = vault::pack(*secrets);
    require(again.has_value() && again->size() == packed->size());
    const auto same = vault::unpack_store_secrets(*again);
    require(same && same->size() == secrets->size());
    for (const auto& [name, value] : *secrets) {
      const auto found = same->find(name);
      require(found != same->end() && found->second.equals(value));
    }
  } else {
    require(secrets.error().code == ErrorCode::kCorrupt);
  }
  return 0;
}
