#include "source/infisical_reference.h"

#include <algorithm>

#include "core/ascii.h"
#include "source/reference_path.h"

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr std::string_view kShape =
    "infisical://FOLDER/NAME, with ?env=SLUG for another environment";
constexpr std::string_view kEnv = "env=";
// Before the path of an item; no path has a colon, since it would be encoded.
constexpr std::string_view kDynamic = "dynamic:";

Result<std::string> read_environment(const ReferenceParts& parts) {
  if (!parts.query) {
    return std::string();
  }
  if (!parts.query->starts_with(kEnv) || !is_slug(parts.query->substr(kEnv.size()))) {
    return failure(Why::kInvalid,
                   "behind the \"?\" of a reference stands env=SLUG and nothing else",
                   std::string(kShape));
  }
  return std::string(parts.query->substr(kEnv.size()));
}

}  // namespace

bool is_slug(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return ascii::is_word(c) || c == '-';
  });
}

Result<InfisicalItem> infisical_item(std::string_view item) {
  InfisicalItem out;
  out.dynamic = item.starts_with(kDynamic);
  const ReferenceParts parts = parts_of(item.substr(out.dynamic ? kDynamic.size() : 0));
  AV_TRY(out.environment, read_environment(parts));
  AV_TRY(std::string path, read_path(parts.path));
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    out.name = std::move(path);
  } else {
    out.folder = path.substr(0, slash);
    out.name = path.substr(slash + 1);
  }
  return out;
}

Result<Reference> parse_infisical(std::string_view text) {
  const ReferenceParts parts = parts_of(text);
  if (parts.path.empty()) {
    return failure(Why::kInvalid, "the reference names no secret", std::string(kShape));
  }
  AV_TRY(const std::string environment, read_environment(parts));
  AV_TRY(const std::string path, read_path(parts.path));
  Reference out;
  if (parts.fragment) {
    AV_TRY(out.field, read_name(*parts.fragment, "the field"));
    out.item = kDynamic;
  }
  out.item += percent_path(path);
  if (!environment.empty()) {
    out.item += "?" + std::string(kEnv) + environment;
  }
  return out;
}

Result<InfisicalItem> infisical_folder(std::string_view text) {
  const ReferenceParts parts = parts_of(text);
  if (parts.fragment) {
    return failure(Why::kInvalid, "a folder has no field", "infisical://FOLDER/");
  }
  InfisicalItem out;
  AV_TRY(out.environment, read_environment(parts));
  if (!parts.path.empty()) {
    AV_TRY(out.folder, read_path(parts.path, /*slash_at_end=*/true));
  }
  if (out.folder.ends_with('/')) {
    out.folder.pop_back();
  }
  return out;
}

}  // namespace av::source
