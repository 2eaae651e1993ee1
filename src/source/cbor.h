#pragma once
// CBOR (RFC 8949), as much as the Agent Access protocol uses of it: maps, arrays, integers, texts
// and byte strings of a definite length. Serde writes a list of bytes as an array of integers;
// octets() reads both.
//
// Strict: the shortest form of every number, UTF-8, no tags, no floats, no indefinite lengths.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/crypto.h"

namespace av::source {

class CborWriter {
 public:
  void map(std::size_t pairs) { head(5, pairs); }
  void array(std::size_t items) { head(4, items); }
  void integer(std::int64_t value);
  void text(std::string_view value);
  void bytes(std::span<const std::uint8_t> value);
  // As an array of integers.
  void octets(std::span<const std::uint8_t> value);
  [[nodiscard]] const crypto::Bytes& out() const { return out_; }

 private:
  void head(unsigned major, std::uint64_t argument);
  crypto::Bytes out_;
};

// Reads item by item; nothing when the next item is another, too long or malformed, and then for
// good. The bytes must outlive it.
class CborReader {
 public:
  explicit CborReader(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  [[nodiscard]] std::optional<std::size_t> map() { return container(5); }
  [[nodiscard]] std::optional<std::size_t> array() { return container(4); }
  [[nodiscard]] std::optional<std::int64_t> integer();
  [[nodiscard]] std::optional<std::string> text(std::size_t most);
  [[nodiscard]] std::optional<crypto::Bytes> bytes(std::size_t most);
  [[nodiscard]] std::optional<crypto::Bytes> octets(std::size_t most);
  // Everything has been read, and nothing was wrong.
  [[nodiscard]] bool done() const { return !failed_ && rest_.empty(); }

 private:
  struct Head {
    unsigned major = 0;
    std::uint64_t argument = 0;
  };
  std::optional<Head> head();
  std::optional<std::size_t> container(unsigned major);
  std::optional<std::span<const std::uint8_t>> string(unsigned major, std::size_t most);
  [[nodiscard]] std::nullopt_t fail() {
    failed_ = true;
    return std::nullopt;
  }

  std::span<const std::uint8_t> rest_;
  bool failed_ = false;
};

}  // namespace av::source
