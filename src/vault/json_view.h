#pragma once
// JsonView: a JSON text (RFC 8259) that is read where it lies. A body may carry values, so nothing
// is copied out of it but what is asked for: names as text(), values as secret().
//
// Strict, because two readers must not differ: UTF-8 only, no member named twice, at most 32 levels
// and kMaxNodes nodes, nothing behind the value. A JsonDocument holds places in the text, which
// must outlive it; a JsonView must not outlive its JsonDocument.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/secret.h"

namespace av::vault {

class JsonDocument;

class JsonView {
 public:
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  [[nodiscard]] Kind kind() const;
  [[nodiscard]] bool is(Kind wanted) const { return kind() == wanted; }

  // A member of an object; empty when there is none, or this is no object.
  [[nodiscard]] std::optional<JsonView> find(std::string_view name) const;
  // Of an array or object, in order; else none.
  [[nodiscard]] std::vector<JsonView> children() const;
  // The name of a member.
  [[nodiscard]] std::string name() const;

  // A string, decoded; empty when it is none. For names and what else is no secret.
  [[nodiscard]] std::string text() const;
  // The same for values; kInvalid when it is no string.
  [[nodiscard]] Expected<Secret> secret() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  // As it stands in the body, for readers of their own: services, rules. Never of what may hold a
  // value.
  [[nodiscard]] std::string_view source() const;

 private:
  friend class JsonDocument;
  JsonView(const JsonDocument& document, std::uint32_t node) : document_(&document), node_(node) {}
  const JsonDocument* document_;
  std::uint32_t node_;
};

class JsonDocument {
 public:
  static constexpr std::size_t kMaxDepth = 32;
  static constexpr std::size_t kMaxNodes = 200'000;

  // `body`, wiped memory, must outlive what is returned. kInvalid says where, never what.
  static Expected<JsonDocument> parse(std::string_view body);
  [[nodiscard]] JsonView root() const { return {*this, 0}; }

 private:
  friend class JsonView;
  friend class JsonParser;
  struct Node {
    JsonView::Kind kind = JsonView::Kind::kNull;
    std::uint32_t begin = 0;  // in the text; of a string, without the quotes
    std::uint32_t end = 0;
    std::uint32_t name_begin = 0;  // of a member
    std::uint32_t name_end = 0;
    std::uint32_t next = 0;   // the first node behind this one's own
    std::uint32_t count = 0;  // of children
  };
  std::string_view text_;
  std::vector<Node> nodes_;  // each before its children
};

}  // namespace av::vault
