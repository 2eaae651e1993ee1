#pragma once
// Descriptors as JSON objects with text and truth values: what a source writes into the store's row
// and reads from it as something that anybody could have written.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/crypto.h"
#include "core/encoding.h"
#include "core/expected.h"

namespace av::kek {

class Descriptor {
 public:
  static constexpr std::size_t kMost = std::size_t{16} << 10;

  [[nodiscard]] static Expected<Descriptor> parse(const std::string& text) {
    auto json = text.size() > kMost ? nlohmann::ordered_json()
                                    : nlohmann::ordered_json::parse(text, nullptr, false);
    return json.is_object() ? Expected<Descriptor>(Descriptor(std::move(json))) : corrupt();
  }
  [[nodiscard]] Expected<std::string> text(const char* name) const {
    const auto found = json_.find(name);
    return found != json_.end() && found->is_string() ? Expected(found->get<std::string>())
                                                      : Expected<std::string>(corrupt());
  }
  [[nodiscard]] Expected<crypto::Bytes> bytes(const char* name) const {
    AV_TRY(const std::string encoded, text(name));
    crypto::Bytes out(encoding::base64_decoded_bound(encoded.size()));
    const auto size = encoding::from_base64(encoded, out);
    if (!size) {
      return corrupt();
    }
    out.resize(*size);
    return out;
  }
  [[nodiscard]] bool is_true(const char* name) const {
    const auto found = json_.find(name);
    return found != json_.end() && found->is_boolean() && found->get<bool>();
  }

 private:
  explicit Descriptor(nlohmann::ordered_json json) : json_(std::move(json)) {}
  static Error corrupt() {
    return make_error(ErrorCode::kCorrupt, "what the store says about its key is damaged",
                      "restore the store from a backup");
  }
  nlohmann::ordered_json json_;
};

inline std::string base64_of(const crypto::Bytes& bytes) {
  return encoding::base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace av::kek
