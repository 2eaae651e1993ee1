#pragma once
// ContentDecoder: takes the content codings of one response body off, as a stream and in bounded
// memory. gzip (RFC 1952, several members), deflate (RFC 9110 section 8.4.1.2: zlib; and the bare
// RFC 1951 stream that some servers send under that name), br (RFC 7932, no large window), zstd
// (RFC 8878, several frames, a window of at most 8 MiB as RFC 9659 has it).
//
// It pulls: nothing is decoded before next() asks for it, so a body that decodes to a thousand
// times its size costs time only as its reader takes it. All memory, that of the libraries'
// windows too, is wiped: decoded text may hold a secret.
//
// One object, one body, one thread at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace av::proxy {

enum class ContentCoding : std::uint8_t { kGzip, kDeflate, kBrotli, kZstd };

// The codings of a body in the order in which they were applied; empty: none.
class CodingList {
 public:
  // More than these are a trick, not compression.
  static constexpr std::size_t kMax = 2;

  [[nodiscard]] bool push(ContentCoding coding);  // false: too many
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] ContentCoding operator[](std::size_t i) const { return codings_[i]; }
  // There is something to take off.
  explicit operator bool() const { return size_ != 0; }

 private:
  std::array<ContentCoding, kMax> codings_{};
  std::uint8_t size_ = 0;
};

// Whether the reflection guard can look into a body in this coding; "identity" included.
[[nodiscard]] bool is_inspectable_coding(std::string_view name);

// Adds one Content-Encoding field's value to `before`, the codings of the fields before it. None:
// a coding that cannot be taken off, or too many.
[[nodiscard]] std::optional<CodingList> parse_content_encoding(std::string_view value,
                                                               CodingList before = CodingList());

class ContentDecoder {
 public:
  explicit ContentDecoder(CodingList codings);
  ~ContentDecoder();
  ContentDecoder(const ContentDecoder&) = delete;
  ContentDecoder& operator=(const ContentDecoder&) = delete;

  // Hands over coded bytes; they must stay valid until next() has returned an empty span.
  void supply(std::string_view coded) { coded_ = coded; }
  // The next piece of decoded bytes (writable, valid until the next call); empty when more input is
  // needed, at the end, or after an error.
  std::span<char> next();
  // A damaged stream, or bytes after its end.
  [[nodiscard]] bool failed() const { return failed_; }
  // Every coding has come to its end and nothing is pending: the body may end here.
  [[nodiscard]] bool finished() const;

  class Layer;  // one coding

 private:
  std::span<char> next_of(std::size_t layer);

  // Outermost first: layers_[0] reads what came over the wire.
  std::array<std::unique_ptr<Layer>, CodingList::kMax> layers_;
  std::size_t count_ = 0;
  std::string_view coded_;
  bool failed_ = false;
};

}  // namespace av::proxy
