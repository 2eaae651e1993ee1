#include "source/hashi_reference.h"

#include <charconv>

#include "source/reference_path.h"

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr std::string_view kVersion = "version=";
constexpr std::string_view kShape = "vault://MOUNT/PATH#FIELD";

Result<std::int64_t> read_version(std::string_view query) {
  const std::string_view digits =
      query.starts_with(kVersion) ? query.substr(kVersion.size()) : std::string_view();
  std::int32_t out = 0;
  const char* const end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, out);
  if (digits.empty() || error != std::errc() || at != end || out < 1 || digits.front() == '0') {
    return failure(Why::kInvalid,
                   "behind the \"?\" of a reference stands version=N and nothing else",
                   "vault://MOUNT/PATH?version=3#FIELD");
  }
  return std::int64_t{out};
}

// Vault's own paths are no secrets engines. What they give away would be more than a secret:
// auth/token/lookup-self answers with the token that the store was paired with.
Result<std::string> read_engine_path(std::string_view text, bool slash_at_end) {
  AV_TRY(std::string path, read_path(text, slash_at_end));
  const std::string_view first = std::string_view(path).substr(0, path.find('/'));
  if (first == "sys" || first == "auth") {
    return failure(Why::kInvalid, "the path begins with \"" + std::string(first) +
                                      "/\", which is Vault's own and no secrets engine");
  }
  return path;
}

}  // namespace

Result<HashiItem> hashi_item(std::string_view item) {
  const ReferenceParts parts = parts_of(item);
  HashiItem out;
  AV_TRY(out.path, read_engine_path(parts.path, /*slash_at_end=*/false));
  if (out.path.find('/') == std::string::npos) {
    return failure(Why::kInvalid, "the reference names a mount, and nothing below it",
                   std::string(kShape));
  }
  if (parts.query) {
    AV_TRY(out.version, read_version(*parts.query));
  }
  return out;
}

Result<Reference> parse_hashi(std::string_view text) {
  const ReferenceParts parts = parts_of(text);
  if (!parts.fragment || parts.fragment->empty()) {
    return failure(Why::kInvalid, "the reference does not say which field", std::string(kShape));
  }
  if (parts.path.starts_with('/')) {
    return failure(Why::kInvalid, "the path begins with a slash", std::string(kShape));
  }
  AV_TRY(const HashiItem item, hashi_item(text.substr(0, text.find('#'))));
  Reference out;
  AV_TRY(out.field, read_name(*parts.fragment, "the field"));
  out.item = percent_path(item.path);
  if (item.version != 0) {
    out.item += "?" + std::string(kVersion) + std::to_string(item.version);
  }
  return out;
}

Result<std::string> hashi_folder(std::string_view text) {
  const ReferenceParts parts = parts_of(text);
  if (parts.query || parts.fragment) {
    return failure(Why::kInvalid, "a folder has neither version nor field", "vault://MOUNT/PATH/");
  }
  return read_engine_path(parts.path, /*slash_at_end=*/true);
}

}  // namespace av::source
