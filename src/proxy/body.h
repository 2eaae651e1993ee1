#pragma once
// Reading what follows a head of HTTP/1: a buffer that is handed back when idle, and the puller
// that takes the framing off.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "proxy/body_source.h"
#include "proxy/head.h"
#include "proxy/http1_parser.h"
#include "proxy/stream.h"

namespace av::proxy {

// Bytes received and not yet used. Grows up to the size of the largest head.
class ReadBuffer {
 public:
  static constexpr std::size_t kSize = std::size_t{16} << 10;

  ReadBuffer() = default;
  ~ReadBuffer() { give_back(); }
  ReadBuffer(const ReadBuffer&) = delete;
  ReadBuffer& operator=(const ReadBuffer&) = delete;

  [[nodiscard]] std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] char* data() { return data_.get() + begin_; }
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  void consume(std::size_t n);
  // Room for at least one byte (usually kSize), behind what is there.
  std::span<char> space();
  void filled(std::size_t n) {
    end_ += n;
    dirty_ = dirty_ < end_ ? end_ : dirty_;
  }
  void swap(ReadBuffer& other) noexcept;
  // Gives the memory back when nothing is in it: an idle connection should cost little.
  void release();

 private:
  void give_back();
  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t dirty_ = 0;  // bytes at the front that ever held anything
};

// More bytes into the buffer, or why not.
Awaitable<Io> fill(Stream& stream, ReadBuffer& buffer, Millis timeout);

// The body of an HTTP/1 message: takes the framing off. Both references must outlive it.
class BodyReader final : public BodySource {
 public:
  BodyReader(Stream& stream, ReadBuffer& buffer, BodyKind kind, std::uint64_t length);
  // For a message whose head has just been read: the object is used for one after the other.
  void start(BodyKind kind, std::uint64_t length);

  Awaitable<Piece> next(Millis timeout) override;
  bool poll(Piece& piece) override { return take(piece); }
  [[nodiscard]] bool buffered() const override;
  [[nodiscard]] bool ended() const override { return ended_; }
  [[nodiscard]] bool trailers(std::vector<Field>& fields) const override {
    return parse_trailers(chunks_.trailers(), fields);
  }

 private:
  bool take(Piece& piece);

  Stream& stream_;
  ReadBuffer& buffer_;
  BodyKind kind_;
  std::uint64_t remaining_;
  bool ended_;
  ChunkDecoder chunks_;
};

// Appends `data` as one chunk (nothing for empty data), and the last chunk when `end`.
template <typename Out>
void append_chunk(Out& out, std::string_view data, bool end, std::string_view trailers = {}) {
  static constexpr char kDigits[] = "0123456789abcdef";
  if (!data.empty()) {
    char size[18];
    std::size_t at = sizeof size;
    for (std::size_t n = data.size(); n != 0; n >>= 4U) {
      size[--at] = kDigits[n & 15U];
    }
    out.append(std::string_view(size + at, sizeof size - at));
    out.append("\r\n");
    out.append(data);
    out.append("\r\n");
  }
  if (end) {
    out.append("0\r\n");
    out.append(trailers);
    out.append("\r\n");
  }
}

}  // namespace av::proxy
