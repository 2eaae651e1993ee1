#include "proxy/content_decoder.h"

#include <malloc.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>

#include "coded_bodies.h"
#include "proxy/body_filter.h"

using namespace av::proxy;
using namespace av::testing;

namespace {

struct Decoded {
  std::string text;
  bool failed = false;
  bool finished = false;
};

void drain(ContentDecoder& decoder, std::string& out) {
  for (auto piece = decoder.next(); !piece.empty(); piece = decoder.next()) {
    out.append(piece.data(), piece.size());
  }
}

Decoded decode(std::string_view coding, const std::string& bytes, std::size_t split,
               std::size_t step = 0) {
  ContentDecoder decoder(*parse_content_encoding(coding));
  Decoded result;
  if (step != 0) {
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      decoder.supply(std::string_view(bytes).substr(at, step));
      drain(decoder, result.text);
    }
  } else {
    decoder.supply(std::string_view(bytes).substr(0, split));
    drain(decoder, result.text);
    decoder.supply(std::string_view(bytes).substr(split));
    drain(decoder, result.text);
  }
  result.failed = decoder.failed();
  result.finished = decoder.finished();
  return result;
}

std::string sample() {
  std::string text;
  for (int i = 0; text.size() < 300; ++i) {
    text += std::to_string(i * 7919) + " of the sample, ";
  }
  return text;
}

// A valid skippable frame (RFC 8878 section 3.1.2).
std::string skippable(const std::string& content) {
  std::string frame("\x50\x2a\x4d\x18", 4);
  frame += static_cast<char>(content.size());
  frame.append(3, '\0');
  return frame + content;
}

}  // namespace

TEST_CASE("codings: names, aliases, lists, repeated fields and what is refused",
          "[proxy][coding]") {
  CHECK(parse_content_encoding("")->size() == 0);
  CHECK(parse_content_encoding("identity")->size() == 0);
  CHECK((*parse_content_encoding("X-GZip"))[0] == ContentCoding::kGzip);
  const auto two = parse_content_encoding(" gzip ,, BR ");
  REQUIRE(two);
  CHECK(two->size() == 2);
  CHECK((*two)[1] == ContentCoding::kBrotli);
  const auto repeated = parse_content_encoding("zstd", *parse_content_encoding("gzip"));
  REQUIRE(repeated);
  CHECK((*repeated)[0] == ContentCoding::kGzip);
  CHECK((*repeated)[1] == ContentCoding::kZstd);
  for (const char* bad : {"compress", "gzip, gzip, gzip", "gzip;q=1", "aes128gcm", "dcb", "*"}) {
    INFO(bad);
    CHECK_FALSE(parse_content_encoding(bad));
  }
  CHECK_FALSE(parse_content_encoding("br", *two));
  CHECK(is_inspectable_coding("Zstd"));
  CHECK(is_inspectable_coding("identity"));
  CHECK_FALSE(is_inspectable_coding("*"));
  CHECK_FALSE(is_inspectable_coding("compress"));
}

TEST_CASE("decoder: each coding comes off at every split, byte by byte, and twice over",
          "[proxy][coding]") {
  const std::string text = sample();
  for (const CodedBody& body : in_each_coding(text)) {
    if (body.coding.empty()) {
      continue;
    }
    INFO(body.coding);
    for (std::size_t split = 0; split <= body.bytes.size(); ++split) {
      const Decoded whole = decode(body.coding, body.bytes, split);
      REQUIRE_FALSE(whole.failed);
      REQUIRE(whole.finished);
      REQUIRE(whole.text == text);
    }
    CHECK(decode(body.coding, body.bytes, 0, 1).text == text);
    CHECK(decode(body.coding, body.bytes, 0, 1).finished);
  }
}

TEST_CASE("decoder: nothing decodes to nothing", "[proxy][coding]") {
  for (const CodedBody& body : in_each_coding("")) {
    if (!body.coding.empty()) {
      INFO(body.coding);
      const Decoded whole = decode(body.coding, body.bytes, 1);
      CHECK(whole.text.empty());
      CHECK(whole.finished);
    }
  }
}

TEST_CASE("decoder: gzip members and zstd frames follow one another", "[proxy][coding]") {
  const std::string members = gzip("one ") + gzip("") + gzip("two");
  const std::string frames = skippable("note") + zstd("one ") + skippable("") + zstd("two");
  for (std::size_t split = 0; split <= members.size(); ++split) {
    CHECK(decode("gzip", members, split).text == "one two");
    CHECK(decode("gzip", members, split).finished);
  }
  for (std::size_t split = 0; split <= frames.size(); ++split) {
    CHECK(decode("zstd", frames, split).text == "one two");
    CHECK(decode("zstd", frames, split).finished);
  }
}

TEST_CASE("decoder: a cut, damaged or continued stream is no success", "[proxy][coding]") {
  const std::string text = sample();
  for (const CodedBody& body : in_each_coding(text)) {
    if (body.coding.empty()) {
      continue;
    }
    INFO(body.coding);
    for (std::size_t size = 1; size < body.bytes.size(); ++size) {
      const Decoded cut = decode(body.coding, body.bytes.substr(0, size), 0);
      REQUIRE_FALSE(cut.finished);
    }
    const Decoded more = decode(body.coding, body.bytes + "more", 3);
    CHECK((more.failed || !more.finished));
    std::string damaged = body.bytes;
    damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
    const Decoded bad = decode(body.coding, damaged, 0);
    // Bare deflate and brotli have no checksum; the others must notice.
    const bool checked = body.bytes != bare_deflated(text) && body.coding != "br";
    CHECK((bad.failed || !bad.finished || (!checked && bad.text != text)));
  }
  CHECK(decode("gzip", "not gzip at all", 0).failed);
  CHECK(decode("br", std::string(64, '\xff'), 0).failed);
  CHECK(decode("zstd", "not zstd at all", 0).failed);
}

TEST_CASE("decoder: a zstd window of more than 8 MiB is refused", "[proxy][coding]") {
  const std::string text(200'000, 'w');
  CHECK(decode("zstd", zstd(text, 23), 0).text == text);
  const Decoded large = decode("zstd", zstd(text, 24), 0);
  CHECK(large.failed);
  CHECK(large.text.empty());
}

TEST_CASE("decoder: a brotli window of more than 16 MiB is refused", "[proxy][coding]") {
  const std::string text(100'000, 'w');
  std::string out(200'000, '\0');
  BrotliEncoderState* const state = BrotliEncoderCreateInstance(nullptr, nullptr, nullptr);
  BrotliEncoderSetParameter(state, BROTLI_PARAM_LARGE_WINDOW, 1);
  BrotliEncoderSetParameter(state, BROTLI_PARAM_LGWIN, 28);
  BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, 5);
  std::size_t in_size = text.size();
  const auto* in = reinterpret_cast<const std::uint8_t*>(text.data());
  std::size_t out_size = out.size();
  auto* to = reinterpret_cast<std::uint8_t*>(out.data());
  REQUIRE(BrotliEncoderCompressStream(state, BROTLI_OPERATION_FINISH, &in_size, &in, &out_size, &to,
                                      nullptr) == BROTLI_TRUE);
  BrotliEncoderDestroyInstance(state);
  out.resize(out.size() - out_size);
  CHECK(decode("br", out, 0).failed);
}

namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20;
constexpr std::size_t kBomb = std::size_t{1} << 30;

// What decodes to a gibibyte of zeros, handed out bit by bit.
struct Bomb {
  std::string coding;
  std::string first;   // once
  std::string repeat;  // `times`
  std::size_t times = 0;
  std::string last;  // once
};

std::string brotli_zeros() {
  BrotliEncoderState* const state = BrotliEncoderCreateInstance(nullptr, nullptr, nullptr);
  BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, 1);
  const std::string zeros(kMebibyte, '\0');
  std::string out;
  for (std::size_t n = 0; n < kBomb; n += zeros.size()) {
    const bool end = n + zeros.size() == kBomb;
    std::size_t in_size = zeros.size();
    const auto* in = reinterpret_cast<const std::uint8_t*>(zeros.data());
    std::size_t none = 0;
    do {
      BrotliEncoderCompressStream(state, end ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS,
                                  &in_size, &in, &none, nullptr, nullptr);
      std::size_t size = 0;
      const std::uint8_t* const made = BrotliEncoderTakeOutput(state, &size);
      out.append(reinterpret_cast<const char*>(made), size);
    } while (in_size != 0 || BrotliEncoderHasMoreOutput(state) == BROTLI_TRUE ||
             (end && BrotliEncoderIsFinished(state) == BROTLI_FALSE));
  }
  BrotliEncoderDestroyInstance(state);
  return out;
}

std::vector<Bomb> bombs() {
  const std::string zeros(kMebibyte, '\0');
  const std::size_t times = kBomb / kMebibyte;
  std::string zstd_once = zstd(zeros);
  return {
      {"gzip", "", gzip(zeros), times, ""},
      // Flushed whole, a stretch of deflate does not depend on what came before.
      {"deflate", "", zlib_coded(zeros, -15, Z_FULL_FLUSH), times, bare_deflated("")},
      {"br", brotli_zeros(), "", 0, ""},
      {"zstd", "", zstd_once, times, ""},
  };
}

std::size_t heap() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace

TEST_CASE("filter: a gibibyte of zeros in a small body takes time, not memory",
          "[proxy][coding][bomb]") {
  PatternSet set;
  set.add_value("a-value-that-was-injected-0123456789");
  set.compile();
  for (const Bomb& bomb : bombs()) {
    INFO(bomb.coding);
    const std::size_t before = heap();
    std::size_t most = before;
    std::size_t total = 0;
    std::size_t largest = 0;
    bool clean = true;
    BodyFilter filter(&set, *parse_content_encoding(bomb.coding));
    std::string piece;
    const auto pump = [&](std::string_view bytes, bool end) {
      piece.assign(bytes);
      filter.supply(std::span(piece.data(), piece.size()), end);
      for (auto out = filter.next(); !out.empty(); out = filter.next()) {
        total += out.size();
        largest = std::max(largest, out.size());
        clean = clean && out.front() == '\0' && out.back() == '\0';
        if ((total & 0xffffffU) < out.size()) {
          most = std::max(most, heap());
        }
      }
    };
    pump(bomb.first, false);
    for (std::size_t i = 0; i < bomb.times; ++i) {
      pump(bomb.repeat, false);
    }
    pump(bomb.last, true);
    CHECK_FALSE(filter.failed());
    CHECK(clean);
    CHECK(total == kBomb);
    CHECK(largest <= 256 * 1024);
    CHECK(most - before < 32 * kMebibyte);
  }
}
