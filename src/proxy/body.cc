#include "proxy/body.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace av::proxy {
namespace {

// Wiped blocks for the thread's next buffers: each exchange wants some, and of this size the
// allocator makes a search.
class SpareBlocks {
 public:
  SpareBlocks() { blocks_.reserve(kMost); }
  std::unique_ptr<char[]> take() {
    if (blocks_.empty()) {
      return std::make_unique_for_overwrite<char[]>(ReadBuffer::kSize);
    }
    std::unique_ptr<char[]> block = std::move(blocks_.back());
    blocks_.pop_back();
    return block;
  }
  void put(std::unique_ptr<char[]> block) {
    if (blocks_.size() < kMost) {
      blocks_.push_back(std::move(block));
    }
  }

 private:
  static constexpr std::size_t kMost = 64;
  std::vector<std::unique_ptr<char[]>> blocks_;
};

thread_local SpareBlocks spare_blocks;

}  // namespace

void ReadBuffer::give_back() {
  if (data_ == nullptr) {
    return;
  }
  // An upstream's answer may carry a value in a form that was about to be masked.
  OPENSSL_cleanse(data_.get(), dirty_);
  if (capacity_ == kSize) {
    spare_blocks.put(std::move(data_));
  }
  data_.reset();
  capacity_ = 0;
  dirty_ = 0;
}

void ReadBuffer::consume(std::size_t n) {
  begin_ += n;
  if (begin_ == end_) {
    begin_ = 0;
    end_ = 0;
  }
}

std::span<char> ReadBuffer::space() {
  if (data_ == nullptr) {
    data_ = spare_blocks.take();
    capacity_ = kSize;
  }
  if (end_ == capacity_) {
    if (begin_ != 0) {
      std::memmove(data_.get(), data_.get() + begin_, end_ - begin_);
    } else {
      const std::size_t capacity = capacity_ * 2;
      auto grown = std::make_unique_for_overwrite<char[]>(capacity);
      std::memcpy(grown.get(), data_.get(), end_);
      give_back();
      data_ = std::move(grown);
      capacity_ = capacity;
      dirty_ = end_;
    }
    end_ -= begin_;
    begin_ = 0;
  }
  return {data_.get() + end_, capacity_ - end_};
}

void ReadBuffer::swap(ReadBuffer& other) noexcept {
  data_.swap(other.data_);
  std::swap(capacity_, other.capacity_);
  std::swap(begin_, other.begin_);
  std::swap(end_, other.end_);
  std::swap(dirty_, other.dirty_);
}

void ReadBuffer::release() {
  if (empty()) {
    give_back();
    begin_ = 0;
    end_ = 0;
  }
}

Awaitable<Io> fill(Stream& stream, ReadBuffer& buffer, Millis timeout) {
  const std::span<char> space = buffer.space();
  const IoResult result = co_await stream.read_some(space.data(), space.size(), timeout);
  buffer.filled(result.size);
  co_return result.status;
}

BodyReader::BodyReader(Stream& stream, ReadBuffer& buffer, BodyKind kind, std::uint64_t length)
    : stream_(stream),
      buffer_(buffer),
      kind_(kind),
      remaining_(length),
      ended_(kind == BodyKind::kNone) {}

void BodyReader::start(BodyKind kind, std::uint64_t length) {
  kind_ = kind;
  remaining_ = length;
  ended_ = kind == BodyKind::kNone;
  chunks_.reset();
}

bool BodyReader::buffered() const {
  return ended_ || (kind_ == BodyKind::kLength && buffer_.size() >= remaining_);
}

// Takes what the buffer holds; false when that yields nothing yet.
bool BodyReader::take(Piece& piece) {
  if (ended_) {
    piece.state = State::kEnd;
    return true;
  }
  if (buffer_.empty()) {
    return false;
  }
  char* const data = buffer_.data();
  std::size_t size = buffer_.size();
  if (kind_ == BodyKind::kChunked) {
    const ChunkDecoder::Result decoded = chunks_.decode(data, size);
    buffer_.consume(decoded.consumed);
    if (decoded.state == ChunkDecoder::State::kBad) {
      piece.state = State::kMalformed;
      return true;
    }
    ended_ = decoded.state == ChunkDecoder::State::kDone;
    size = decoded.produced;
  } else {
    if (kind_ == BodyKind::kLength) {
      size = static_cast<std::size_t>(std::min<std::uint64_t>(size, remaining_));
      remaining_ -= size;
      ended_ = remaining_ == 0;
    }
    buffer_.consume(size);
  }
  piece.data = {data, size};
  piece.state = ended_ ? State::kEnd : State::kData;
  return size != 0 || ended_;
}

Awaitable<BodySource::Piece> BodyReader::next(Millis timeout) {
  Piece piece;
  while (!take(piece)) {
    const Io io = co_await fill(stream_, buffer_, timeout);
    if (io == Io::kEof && kind_ == BodyKind::kUntilClose) {
      ended_ = true;
    } else if (io != Io::kOk) {
      piece.state = State::kBroken;
      piece.io = io;
      break;
    }
  }
  co_return piece;
}

}  // namespace av::proxy
