#include "proxy/inflater.h"

#include <openssl/crypto.h>
#include <zlib.h>

#include <vector>

namespace av::proxy {

struct Inflater::Impl {
  z_stream stream{};
  std::vector<char> out = std::vector<char>(std::size_t{32} << 10);
  bool ready = false;
};

Inflater::Inflater() : impl_(std::make_unique<Impl>()) {
  // 15 bits of window; +32: gzip or zlib, whichever the header says.
  impl_->ready = inflateInit2(&impl_->stream, 15 + 32) == Z_OK;
  failed_ = !impl_->ready;
}

Inflater::~Inflater() {
  if (impl_->ready) {
    inflateEnd(&impl_->stream);
  }
  OPENSSL_cleanse(impl_->out.data(), impl_->out.size());  // decoded text may hold a secret
}

void Inflater::supply(std::string_view coded) {
  impl_->stream.next_in =
      reinterpret_cast<Bytef*>(const_cast<char*>(coded.data()));  // zlib's interface predates const
  impl_->stream.avail_in = static_cast<uInt>(coded.size());
}

std::span<char> Inflater::next() {
  z_stream& stream = impl_->stream;
  while (!failed_) {
    if (finished_) {
      if (stream.avail_in == 0) {
        return {};
      }
      // RFC 1952 section 2.2: members follow one another.
      failed_ = inflateReset(&stream) != Z_OK;
      finished_ = false;
      continue;
    }
    stream.next_out = reinterpret_cast<Bytef*>(impl_->out.data());
    stream.avail_out = static_cast<uInt>(impl_->out.size());
    const int result = inflate(&stream, Z_NO_FLUSH);
    const std::size_t produced = impl_->out.size() - stream.avail_out;
    finished_ = result == Z_STREAM_END;
    failed_ = result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR;
    if (produced != 0) {
      return {impl_->out.data(), produced};
    }
    if (!finished_) {
      return {};
    }
  }
  return {};
}

}  // namespace av::proxy
