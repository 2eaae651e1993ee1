#include "source/program_setting.h"

#include <algorithm>

#include "core/ascii.h"

namespace av::source {

Command Program::command() const {
  Command out;
  out.program = path;
  out.digest = digest;
  return out;
}

std::string setting(const vault::ExternalStore& store, std::string_view name) {
  const auto found = store.settings.find(name);
  return found == store.settings.end() ? std::string() : found->second;
}

Result<HelperIsolation> helper_isolation(const Kind& kind, const vault::ExternalStore& store) {
  HelperIsolation out;
  const std::string level = setting(store, kIsolationSetting.name);
  if (!level.empty() && level != "store" && level != "off") {
    return failure(Failure::Why::kInvalid, "the setting isolation is store or off");
  }
  out.isolated = level != "off";
  const std::string_view name = share_setting({}).name;
  const auto row = std::find_if(kind.settings.begin(), kind.settings.end(),
                                [&](const Setting& each) { return each.name == name; });
  const auto given = store.settings.find(name);
  const std::string_view text = given != store.settings.end() ? std::string_view(given->second)
                                : row != kind.settings.end()  ? row->fallback
                                                              : std::string_view();
  for (const std::string_view word : ascii::words(text, ", ")) {
    out.shares.emplace_back(word);
  }
  return out;
}

Result<Program> program_setting(const vault::ExternalStore& store, std::string_view name) {
  Program out;
  out.path = setting(store, name);
  out.digest = setting(store, std::string(name) + ".sha256");
  if (out.path.empty() || out.path[0] != '/') {
    return failure(Failure::Why::kInvalid,
                   "the setting " + std::string(name) + " is no absolute path",
                   "pair the store again");
  }
  const bool good =
      out.digest.empty() ||
      (out.digest.size() == 64 && std::all_of(out.digest.begin(), out.digest.end(), [](char c) {
         return ascii::is_digit(c) || (c >= 'a' && c <= 'f');
       }));
  if (!good) {
    return failure(Failure::Why::kInvalid,
                   "the setting " + std::string(name) + ".sha256 is no SHA-256",
                   "pair the store again");
  }
  return out;
}

}  // namespace av::source
