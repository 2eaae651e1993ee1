#pragma once
// Inflater: takes gzip (RFC 1952, several members) and zlib (RFC 1950) coding off a stream, in
// bounded memory. One object, one body.

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace av::proxy {

class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Hands over coded bytes; they must stay valid until next() has returned an empty span.
  void supply(std::string_view coded);
  // The next piece of decoded bytes (writable, valid until the next call); empty when more input is
  // needed, at the end, or after an error.
  std::span<char> next();
  // A damaged stream, or bytes after its end.
  [[nodiscard]] bool failed() const { return failed_; }
  // A whole member has ended and nothing is pending: the body may end here.
  [[nodiscard]] bool finished() const { return finished_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  bool failed_ = false;
  bool finished_ = false;
};

}  // namespace av::proxy
