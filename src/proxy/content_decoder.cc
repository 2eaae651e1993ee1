#include "proxy/content_decoder.h"

#include <brotli/decode.h>
#include <openssl/crypto.h>
// The decoder's allocator can be set only through what zstd calls its static interface.
#define ZSTD_STATIC_LINKING_ONLY
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>
#include <cstring>

#include "core/ascii.h"
#include "proxy/head.h"

namespace av::proxy {
namespace {

constexpr std::size_t kPiece = std::size_t{32} << 10;
constexpr int kZstdWindowLog = 23;  // RFC 9659 section 3: 8 MiB

// The libraries keep decoded text in their windows; what they free is wiped.
struct Wiped {
  static constexpr std::size_t kHeader = alignof(std::max_align_t);

  static void* allocate(void* /*opaque*/, std::size_t size) {
    auto* const block = static_cast<char*>(std::malloc(kHeader + size));
    if (block == nullptr) {
      return nullptr;
    }
    std::memcpy(block, &size, sizeof size);
    return block + kHeader;
  }
  static void release(void* /*opaque*/, void* memory) {
    if (memory == nullptr) {
      return;
    }
    char* const block = static_cast<char*>(memory) - kHeader;
    std::size_t size = 0;
    std::memcpy(&size, block, sizeof size);
    OPENSSL_cleanse(block, kHeader + size);
    std::free(block);
  }
  static voidpf zlib_allocate(voidpf opaque, uInt items, uInt size) {
    return allocate(opaque, std::size_t{items} * size);
  }
};

std::optional<ContentCoding> coding_named(std::string_view name) {
  if (iequals(name, "gzip") || iequals(name, "x-gzip")) {  // RFC 9110 section 8.4.1.3
    return ContentCoding::kGzip;
  }
  if (iequals(name, "deflate")) {
    return ContentCoding::kDeflate;
  }
  if (iequals(name, "br")) {
    return ContentCoding::kBrotli;
  }
  if (iequals(name, "zstd")) {
    return ContentCoding::kZstd;
  }
  return std::nullopt;
}

}  // namespace

class ContentDecoder::Layer {
 public:
  Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  virtual ~Layer() { OPENSSL_cleanse(out_.data(), out_.size()); }

  // Decodes into out() until that is full, `in` is used up, or the stream ends. How many bytes came
  // out. Consumes from `in`.
  virtual std::size_t decode(std::string_view& in) = 0;

  [[nodiscard]] std::span<char> out() { return out_; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool finished() const { return finished_; }

  std::string_view pending;  // input of a layer that another layer feeds

 protected:
  bool failed_ = false;
  bool finished_ = false;

 private:
  std::array<char, kPiece> out_;  // NOLINT: written before it is read
};

namespace {

class ZlibLayer final : public ContentDecoder::Layer {
 public:
  explicit ZlibLayer(bool gzip) : gzip_(gzip) {
    stream_.zalloc = Wiped::zlib_allocate;
    stream_.zfree = Wiped::release;
    if (gzip_) {
      start(15 + 16);
    }
  }
  ~ZlibLayer() override {
    if (ready_) {
      inflateEnd(&stream_);
    }
  }

  std::size_t decode(std::string_view& in) override {
    if (!ready_ && !detect(in)) {
      return 0;
    }
    if (finished_) {
      if (in.empty()) {
        return 0;
      }
      // RFC 1952 section 2.2: members follow one another. A deflate body has one stream.
      failed_ = !gzip_ || inflateReset(&stream_) != Z_OK;
      finished_ = false;
    }
    if (failed_) {
      return 0;
    }
    // zlib's interface predates const. Two bytes of a zlib header may have been kept back.
    const std::string_view from = header_size_ != 0 ? std::string_view(header_, 2) : in;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
    stream_.avail_in = static_cast<uInt>(from.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out().data());
    stream_.avail_out = static_cast<uInt>(out().size());
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (header_size_ != 0) {
      header_size_ = 0;  // the shortest stream has ten bits: both bytes were taken
      failed_ = stream_.avail_in != 0;
    } else {
      in.remove_prefix(from.size() - stream_.avail_in);
    }
    finished_ = result == Z_STREAM_END;
    failed_ = failed_ || (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR);
    return out().size() - stream_.avail_out;
  }

 private:
  void start(int window_bits) {
    ready_ = inflateInit2(&stream_, window_bits) == Z_OK;
    failed_ = !ready_;
  }

  // zlib or bare deflate? RFC 1950 section 2.2: CM is 8, the window is at most 32 KiB, and the two
  // bytes are a multiple of 31. A bare stream that looks like this begins with a stored block whose
  // padding is not zero, which no encoder writes.
  bool detect(std::string_view& in) {
    while (header_size_ < 2 && !in.empty()) {
      header_[header_size_++] = in.front();
      in.remove_prefix(1);
    }
    if (header_size_ < 2) {
      return false;
    }
    const auto cmf = static_cast<unsigned char>(header_[0]);
    const auto flg = static_cast<unsigned char>(header_[1]);
    const bool zlib = (cmf & 15U) == 8 && cmf >> 4U <= 7 && (cmf * 256U + flg) % 31U == 0;
    start(zlib ? 15 : -15);
    return ready_;
  }

  z_stream stream_{};
  bool gzip_;
  bool ready_ = false;
  char header_[2] = {};
  std::size_t header_size_ = 0;
};

class BrotliLayer final : public ContentDecoder::Layer {
 public:
  // Large windows (not part of RFC 7932) are off unless asked for.
  BrotliLayer()
      : state_(BrotliDecoderCreateInstance(Wiped::allocate, Wiped::release, /*opaque=*/nullptr)) {
    failed_ = state_ == nullptr;
  }
  ~BrotliLayer() override {
    if (state_ != nullptr) {
      BrotliDecoderDestroyInstance(state_);
    }
  }

  std::size_t decode(std::string_view& in) override {
    if (finished_) {
      failed_ = failed_ || !in.empty();
      return 0;
    }
    std::size_t available_in = in.size();
    const auto* next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    std::size_t available_out = out().size();
    auto* next_out = reinterpret_cast<std::uint8_t*>(out().data());
    const BrotliDecoderResult result = BrotliDecoderDecompressStream(
        state_, &available_in, &next_in, &available_out, &next_out, nullptr);
    in.remove_prefix(in.size() - available_in);
    finished_ = result == BROTLI_DECODER_RESULT_SUCCESS;
    failed_ = result == BROTLI_DECODER_RESULT_ERROR;
    return out().size() - available_out;
  }

 private:
  BrotliDecoderState* state_;
};

class ZstdLayer final : public ContentDecoder::Layer {
 public:
  ZstdLayer()
      : context_(ZSTD_createDCtx_advanced({Wiped::allocate, Wiped::release, /*opaque=*/nullptr})) {
    failed_ = context_ == nullptr || ZSTD_isError(ZSTD_DCtx_setParameter(
                                         context_, ZSTD_d_windowLogMax, kZstdWindowLog)) != 0;
  }
  ~ZstdLayer() override { ZSTD_freeDCtx(context_); }

  std::size_t decode(std::string_view& in) override {
    // Frames, skippable ones too, follow one another (RFC 8878 section 3.1): after the end of one
    // the library goes on with the next.
    // Calls that cannot get anywhere are errors to it, and behind a frame it would begin another.
    if (in.empty() && (drained_ || finished_)) {
      return 0;
    }
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out().data(), out().size(), 0};
    const std::size_t result = ZSTD_decompressStream(context_, &to, &from);
    in.remove_prefix(from.pos);
    failed_ = ZSTD_isError(result) != 0;
    finished_ = result == 0;
    drained_ = to.pos < to.size;
    return to.pos;
  }

 private:
  ZSTD_DCtx* context_;
  bool drained_ = true;  // nothing more comes out without input
};

std::unique_ptr<ContentDecoder::Layer> make_layer(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kGzip:
      return std::make_unique<ZlibLayer>(/*gzip=*/true);
    case ContentCoding::kDeflate:
      return std::make_unique<ZlibLayer>(/*gzip=*/false);
    case ContentCoding::kBrotli:
      return std::make_unique<BrotliLayer>();
    case ContentCoding::kZstd:
      return std::make_unique<ZstdLayer>();
  }
  return nullptr;
}

}  // namespace

bool CodingList::push(ContentCoding coding) {
  if (size_ == kMax) {
    return false;
  }
  codings_[size_++] = coding;
  return true;
}

bool is_inspectable_coding(std::string_view name) {
  return iequals(name, "identity") || coding_named(name);
}

std::optional<CodingList> parse_content_encoding(std::string_view value, CodingList before) {
  CodingList all = before;
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    const std::string_view name = ascii::trim(value.substr(0, comma));
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
    if (name.empty() || iequals(name, "identity")) {
      continue;
    }
    const std::optional<ContentCoding> coding = coding_named(name);
    if (!coding || !all.push(*coding)) {
      return std::nullopt;
    }
  }
  return all;
}

ContentDecoder::ContentDecoder(CodingList codings) : count_(codings.size()) {
  for (std::size_t i = 0; i < count_; ++i) {
    // RFC 9110 section 8.4: listed in the order in which they were applied.
    layers_[i] = make_layer(codings[count_ - 1 - i]);
    failed_ = failed_ || layers_[i]->failed();
  }
}

ContentDecoder::~ContentDecoder() = default;

bool ContentDecoder::finished() const {
  if (failed_ || !coded_.empty()) {
    return false;
  }
  for (std::size_t i = 0; i < count_; ++i) {
    if (!layers_[i]->finished() || !layers_[i]->pending.empty()) {
      return false;
    }
  }
  return true;
}

std::span<char> ContentDecoder::next() {
  if (count_ == 0 || failed_) {
    return {};
  }
  return next_of(count_ - 1);
}

std::span<char> ContentDecoder::next_of(std::size_t index) {
  Layer& layer = *layers_[index];
  std::string_view& in = index == 0 ? coded_ : layer.pending;
  for (;;) {
    // Called without input too: output may be waiting inside.
    const std::size_t before = in.size();
    const std::size_t produced = layer.decode(in);
    failed_ = failed_ || layer.failed();
    if (failed_) {
      return {};
    }
    if (produced != 0) {
      return layer.out().first(produced);
    }
    if (!in.empty()) {
      // Input is left and nothing came out: the next member, or a stream that does not advance.
      if (in.size() == before && !layer.finished()) {
        failed_ = true;
        return {};
      }
      continue;
    }
    if (index == 0) {
      return {};
    }
    const std::span<char> more = next_of(index - 1);
    if (more.empty()) {
      return {};
    }
    in = std::string_view(more.data(), more.size());
  }
}

}  // namespace av::proxy
