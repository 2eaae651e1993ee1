#pragma once
// Encoders for tests: a body in each content coding that the proxy takes off.

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace av::testing {

// `window_bits`: 15 + 16 gzip, 15 zlib, -15 bare deflate.
inline std::string zlib_coded(const std::string& text, int window_bits, int flush = Z_FINISH) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, flush);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != (flush == Z_FINISH ? Z_STREAM_END : Z_OK)) {
    throw std::runtime_error("deflate");
  }
  return out;
}

inline std::string gzip(const std::string& text) {
  return zlib_coded(text, 15 + 16);
}
inline std::string deflated(const std::string& text) {
  return zlib_coded(text, 15);
}
inline std::string bare_deflated(const std::string& text) {
  return zlib_coded(text, -15);
}

inline std::string brotli(const std::string& text, int window = 18) {
  std::string out(BrotliEncoderMaxCompressedSize(text.size()) + 64, '\0');
  std::size_t size = out.size();
  if (BrotliEncoderCompress(5, window, BROTLI_MODE_GENERIC, text.size(),
                            reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                            reinterpret_cast<std::uint8_t*>(out.data())) != BROTLI_TRUE) {
    throw std::runtime_error("brotli");
  }
  out.resize(size);
  return out;
}

inline std::string zstd(const std::string& text, int window_log = 0) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  if (window_log != 0) {
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  }
  std::string out(ZSTD_compressBound(text.size()) + 64, '\0');
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  // Streamed: the size is not known at the start, so the window is as large as was asked for.
  ZSTD_compressStream2(context, &to, &in, ZSTD_e_flush);
  const std::size_t left = ZSTD_compressStream2(context, &to, &in, ZSTD_e_end);
  ZSTD_freeCCtx(context);
  if (left != 0) {
    throw std::runtime_error("zstd");
  }
  out.resize(to.pos);
  return out;
}

struct CodedBody {
  std::string coding;  // as Content-Encoding names it; empty: none
  std::string bytes;
};
inline std::vector<CodedBody> in_each_coding(const std::string& text) {
  return {{"", text},
          {"gzip", gzip(text)},
          {"deflate", deflated(text)},
          {"deflate", bare_deflated(text)},
          {"br", brotli(text)},
          {"zstd", zstd(text)},
          {"gzip, br", brotli(gzip(text))},
          {"zstd, deflate", deflated(zstd(text))}};
}

}  // namespace av::testing
