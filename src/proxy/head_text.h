#pragma once
// HeadText: the fields of a message on its way out, as "Name: value" lines in wiped memory, with an
// index. HTTP/1.1 sends the lines as they are; HTTP/2 sends what the index points at. Order,
// spelling and repetition are the author's.

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/secret.h"

namespace av::proxy {

class HeadText {
 public:
  enum class Kind : std::uint8_t {
    kPlain,
    kSecret,    // carries a credential: never enters a compression table (RFC 7541 section 7.1.3)
    kHttp1Only  // framing and connection options, and Host: HTTP/2 has its own ways to say these
  };
  struct Entry {
    std::string_view name;  // as spelt; HTTP/2 wants it in lower case
    std::string_view value;
    Kind kind = Kind::kPlain;
  };

  void add(std::string_view name, std::string_view value, Kind kind = Kind::kPlain);
  // A field whose value is written piece by piece: everything appended between the two calls.
  SecretBuffer& begin(std::string_view name);
  void end(Kind kind = Kind::kPlain);
  void append(const HeadText& other);
  void clear();
  void reserve(std::size_t bytes) { text_.reserve(bytes); }

  // All lines, each with its CRLF, without the empty one.
  [[nodiscard]] std::string_view text() const { return text_.view(); }
  [[nodiscard]] std::size_t size() const { return index_.size(); }
  // Valid until the next change.
  [[nodiscard]] Entry entry(std::size_t i) const;
  // ASCII case-insensitive.
  [[nodiscard]] bool contains(std::string_view name) const;

 private:
  struct Place {
    std::uint32_t name = 0;
    std::uint32_t name_size = 0;
    std::uint32_t value_size = 0;
    Kind kind = Kind::kPlain;
  };
  SecretBuffer text_;
  std::vector<Place> index_;
};

// For a message that ends without trailers.
inline const HeadText kNoFields;

}  // namespace av::proxy
