// StoreSecrets as one text: "1 2\n" (version, how many), then for each the sizes of name and value
// ("5 40\n") and both.

#include "vault/external.h"

#include <algorithm>
#include <string>

#include "core/encoding.h"
#include "vault/packed_text.h"
#include "vault/text_tree.h"

namespace av::vault {
namespace {

constexpr std::size_t kMostSecrets = 32;
constexpr std::size_t kMostName = 64;
constexpr std::size_t kMostValue = std::size_t{64} << 10;

Error damaged() {
  return make_error(ErrorCode::kCorrupt, "the stored secrets of an external store are damaged");
}

Expected<StoreSecrets> unpacked(std::string_view text) {
  std::size_t version = 0;
  std::size_t count = 0;
  if (!take_number(text, ' ', version) || version != 1 || !take_number(text, '\n', count) ||
      count > kMostSecrets) {
    return damaged();
  }
  StoreSecrets out;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t name = 0;
    std::size_t value = 0;
    if (!take_number(text, ' ', name) || !take_number(text, '\n', value) || name > kMostName ||
        value > kMostValue || name + value > text.size()) {
      return damaged();
    }
    AV_TRY(Secret secret, Secret::copy_of(text.substr(name, value)));
    if (!out.emplace(std::string(text.substr(0, name)), std::move(secret)).second) {
      return damaged();
    }
    text.remove_prefix(name + value);
  }
  if (!text.empty()) {
    return damaged();
  }
  return out;
}

}  // namespace

std::string_view to_string(StoreFailure::Why why) {
  switch (why) {
    case StoreFailure::Why::kNotFound:
      return "not_found";
    case StoreFailure::Why::kDenied:
      return "denied";
    case StoreFailure::Why::kLocked:
      return "locked";
    case StoreFailure::Why::kUnreachable:
      return "unreachable";
    case StoreFailure::Why::kTimeout:
      return "timeout";
    case StoreFailure::Why::kBusy:
      return "busy";
    case StoreFailure::Why::kMalformed:
      return "malformed";
    case StoreFailure::Why::kRefused:
      return "refused";
    case StoreFailure::Why::kInvalid:
      return "invalid";
  }
  return "";
}

Status check_settings(const StoreSettings& settings) {
  const auto is_text = [](const std::string& text) {
    return text.size() <= kMostValue && text.find('\0') == std::string::npos &&
           encoding::is_utf8(text);
  };
  for (const auto& [name, value] : settings) {
    if (!is_text(name) || !is_text(value)) {
      return make_error(ErrorCode::kInvalid, "the setting " + encoding::printable(name) +
                                                 " is no text in UTF-8, or longer than 64 KiB");
    }
  }
  return {};
}

std::string settings_to_json(const StoreSettings& settings) {
  TextTree::Json out = TextTree::Json::object();
  for (const auto& [name, value] : settings) {
    out[name] = value;
  }
  return out.dump();
}

Expected<StoreSettings> settings_from_json(std::string_view text) {
  AV_TRY(const TextTree tree, parse_json_text(text));
  if (!tree.root.is_object()) {
    return make_error(ErrorCode::kInvalid, "the settings of a store are a JSON object");
  }
  StoreSettings out;
  for (const auto& [name, value] : tree.root.items()) {
    if (!value.is_string()) {
      return tree.error_at(name, "a setting is a string");
    }
    out.emplace(name, value.get<std::string>());
  }
  return out;
}

Expected<Secret> pack(const StoreSecrets& secrets) {
  if (secrets.size() > kMostSecrets) {
    return make_error(ErrorCode::kInvalid, "an external store has too many secrets");
  }
  SecretBuffer out;
  out.append("1 " + std::to_string(secrets.size()) + "\n");
  for (const auto& [name, value] : secrets) {
    if (name.size() > kMostName || value.size() > kMostValue) {
      return make_error(ErrorCode::kInvalid,
                        "a secret of an external store is larger than 64 KiB: " + name);
    }
    out.append(std::to_string(name.size()) + " " + std::to_string(value.size()) + "\n" + name);
    out.append(value);
  }
  return out.to_secret();
}

Expected<StoreSecrets> unpack_store_secrets(const Secret& packed) {
  return packed.reveal([](std::string_view text) { return unpacked(text); });
}

}  // namespace av::vault
