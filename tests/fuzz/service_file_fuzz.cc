// Any text as a service file: no crash, and what is accepted survives being written in both
// formats.

#include <cstdint>
#include <string_view>

#include "fuzz/require.h"
#include "vault/service_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av::vault;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto services = services_from_file_text(text);
  if (!services) {
    require(services.error().code == av::ErrorCode::kInvalid);
    return 0;
  }
  const std::string json = services_to_json(*services, /*pretty=*/true);
  const auto from_json = services_from_file_text(json);
  require(from_json && services_to_json(*from_json, /*pretty=*/true) == json);
  const auto from_toml = services_from_file_text(services_to_toml(*services));
  require(from_toml && services_to_json(*from_toml, /*pretty=*/true) == json);
  for (const Service& service : *services) {
    require(check_service(service).has_value());
  }
  return 0;
}
