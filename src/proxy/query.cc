#include "proxy/query.h"

#include <optional>

#include "core/encoding.h"
#include "proxy/head.h"

namespace av::proxy {

std::string_view next_parameter(std::string_view& query) {
  const std::size_t end = query.find_first_of("&;");
  const std::string_view pair = query.substr(0, end);
  query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
  return pair;
}

bool names_parameter(std::string_view pair, std::string_view name) {
  const std::string_view encoded = pair.substr(0, pair.find('='));
  std::string decoded;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    const auto byte = encoded[i] == '%' && i + 2 < encoded.size()
                          ? encoding::from_hex(encoded.substr(i + 1, 2))
                          : std::nullopt;
    if (byte) {
      decoded.push_back(static_cast<char>(byte->front()));
      i += 2;
    } else {
      decoded.push_back(encoded[i]);
    }
  }
  return iequals(decoded, name);
}

std::string without_parameter(std::string_view query, std::string_view name) {
  std::string kept;
  while (!query.empty()) {
    const char* const begin = query.data();
    const std::string_view pair = next_parameter(query);
    if (!names_parameter(pair, name)) {
      const std::size_t size = query.empty() ? pair.size() : pair.size() + 1;
      kept.append(begin, size);
    }
  }
  while (kept.ends_with('&')) {
    kept.pop_back();
  }
  return kept;
}

}  // namespace av::proxy
