#include "proxy/text_marks.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "proxy/escape.h"
#include "proxy/text_shape.h"

// What runs once for each block is compiled into its loop, for that loop's processor.
#define AV_INLINE __attribute__((always_inline)) inline

namespace av::proxy {
namespace {

constexpr std::size_t kBlock = 64;

constexpr bool of_class(char c, unsigned classes) {
  return (shape::kClass[static_cast<unsigned char>(c)] & classes) != 0;
}
constexpr bool line_break(char c) {
  return of_class(c, shape::kBreak);
}
constexpr bool before_break(char c) {
  return of_class(c, shape::kBase64 | shape::kCarriage);
}
constexpr bool hex_part(char c) {
  return of_class(c, shape::kHexDigit | shape::kSeparator) || c == 'x' || c == 'X';
}

// How many hex parts lie around text[at, end), which are such.
struct Run {
  std::size_t begin;
  std::size_t size;
};
Run run_around(std::string_view text, std::size_t at, std::size_t end) {
  while (at > 0 && hex_part(text[at - 1])) {
    --at;
  }
  while (end < text.size() && hex_part(text[end])) {
    ++end;
  }
  return {at, end - at};
}

AV_INLINE unsigned lowest_bit(std::uint64_t bits) {
  // The highest one is set so that there need not be a case for none.
  return static_cast<unsigned>(std::countr_zero(bits | std::uint64_t{1} << 63U));
}

}  // namespace

// One bit for each byte.
struct TextMarks::Block {
  std::uint64_t introducers = 0;
  std::uint64_t breaks = 0;
  std::uint64_t before_break = 0;
  std::uint64_t hex_parts = 0;
};

// The end of a text, as a block. A zero is of no class.
class TextMarks::Rest {
 public:
  explicit Rest(std::string_view rest) { std::memcpy(bytes_.data(), rest.data(), rest.size()); }
  ~Rest() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }
  Rest(const Rest&) = delete;
  Rest& operator=(const Rest&) = delete;
  [[nodiscard]] const char* data() const { return bytes_.data(); }

 private:
  std::array<char, kBlock> bytes_{};
};

// What a scan keeps in registers.
template <bool kIntroducers>
class TextMarks::Walk {
 public:
  AV_INLINE Walk(TextMarks& marks, std::string_view text, std::size_t least_hex)
      : marks_(marks), text_(text), least_hex_(least_hex) {
    marks.breaks_.clear();
    // A long run covers a whole cell, of the largest size for which that is sure.
    cell_ = least_hex >= 63 ? 32 : least_hex >= 31 ? 16 : 8;
    cell_lows_ = ~std::uint64_t{0} / (~std::uint64_t{0} >> (kBlock - cell_));
  }

  AV_INLINE void add(const Block& block, std::size_t at) {
    if constexpr (kIntroducers) {
      add_introducers(block.introducers, static_cast<std::uint32_t>(at));
    }
    // Four characters in front of a break, here; the rest when there are those.
    const std::uint64_t two = block.before_break & (block.before_break << 1U | line_ >> 63U);
    const std::uint64_t breaks =
        block.breaks & (two << 1U | two_ >> 63U) & (two << 3U | two_ >> 61U);
    if (breaks != 0) {
      add_breaks(marks_.breaks_, breaks, block.before_break, line_, at);
    }
    line_ = block.before_break;
    two_ = two;
    // A cell without a zero: in `other` it is 0, and taking 1 from it sets its highest bit.
    const std::uint64_t other = ~block.hex_parts;
    const std::uint64_t full = (other - cell_lows_) & block.hex_parts & (cell_lows_ << (cell_ - 1));
    if (full != 0 && hex_from_ == kNone) {
      hex_from_ = find_hex(block.hex_parts, cell_, at, text_, least_hex_);
    }
  }

  AV_INLINE void finish() {
    marks_.introducer_count_ = count_;
    marks_.hex_from_ = hex_from_;
  }

 private:
  AV_INLINE void add_introducers(std::uint64_t bits, std::uint32_t at) {
    if (room_ - count_ < kBlock) {
      marks_.introducers_.resize(std::max(2 * kBlock, room_ * 2));
      room_ = marks_.introducers_.size();
      out_ = marks_.introducers_.data();
    }
    // Four are written whether there are so many or not: a loop that ends after one, two or three,
    // which nobody can foresee, would cost more.
    std::uint32_t* out = out_ + count_;
    count_ += static_cast<std::size_t>(std::popcount(bits));
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      *out++ = at + lowest_bit(bits);
      bits &= bits - 1;
      // Not gathered into one vector store, which costs more than the four.
      asm volatile("" ::: "memory");
    }
    while (bits != 0) {
      *out++ = at + lowest_bit(bits);
      bits &= bits - 1;
    }
  }

  // Not members of the walk: what has its address is not kept in registers.
  static void add_breaks(std::vector<std::uint32_t>& found, std::uint64_t breaks,
                         std::uint64_t here, std::uint64_t before_here, std::size_t at) {
    for (; breaks != 0; breaks &= breaks - 1) {
      const unsigned i = lowest_bit(breaks);
      const std::uint64_t before = i == 0 ? before_here : here << (kBlock - i) | before_here >> i;
      if (static_cast<std::size_t>(std::countl_one(before)) >= kFullLine) {
        found.push_back(static_cast<std::uint32_t>(at + i));
      }
    }
  }

  static std::size_t find_hex(std::uint64_t parts, std::size_t cell_size, std::size_t at,
                              std::string_view text, std::size_t least) {
    for (std::size_t cell = 0; cell < kBlock; cell += cell_size) {
      if (static_cast<std::size_t>(std::countr_one(parts >> cell)) >= cell_size) {
        const Run run = run_around(text, at + cell, at + cell + cell_size);
        if (run.size >= least) {
          return run.begin;
        }
      }
    }
    return kNone;
  }

  TextMarks& marks_;
  const std::string_view text_;
  const std::size_t least_hex_;
  std::uint32_t* out_ = marks_.introducers_.data();
  std::size_t room_ = marks_.introducers_.size();
  std::size_t count_ = 0;
  // Of the block before. What was before the text may have been anything.
  std::uint64_t line_ = ~std::uint64_t{0};  // what may come before a break
  std::uint64_t two_ = ~std::uint64_t{0};   // two of them
  std::size_t cell_ = 0;
  std::uint64_t cell_lows_ = 0;  // the lowest bit of each cell
  std::size_t hex_from_ = kNone;
};

namespace {

AV_INLINE void classify(const char* data, auto& block) {
  block = {};
  for (std::size_t i = 0; i < kBlock; ++i) {
    const char c = data[i];
    block.introducers |= std::uint64_t{is_introducer(c)} << i;
    block.breaks |= std::uint64_t{line_break(c)} << i;
    block.before_break |= std::uint64_t{before_break(c)} << i;
    block.hex_parts |= std::uint64_t{hex_part(c)} << i;
  }
}

}  // namespace

template <bool kIntroducers>
void TextMarks::walk_portably(std::string_view text, std::size_t least_hex) {
  Walk<kIntroducers> walk(*this, text, least_hex);
  Block block;
  std::size_t at = 0;
  for (; at + kBlock <= text.size(); at += kBlock) {
    classify(text.data() + at, block);
    walk.add(block, at);
  }
  if (at < text.size()) {
    classify(Rest(text.substr(at)).data(), block);
    walk.add(block, at);
  }
  walk.finish();
}

void TextMarks::scan_portably(std::string_view text, std::size_t least_hex, bool introducers) {
  introducers ? walk_portably<true>(text, least_hex) : walk_portably<false>(text, least_hex);
}

#ifdef __x86_64__

#define AV_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

namespace {

// A class of ASCII characters: by the low four bits of one, a bit for each value of its high ones.
// (Mula's look-up, as in Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019.)
using Columns = std::array<std::uint8_t, 16>;
constexpr Columns columns_of(bool (&in)(char)) {
  Columns columns{};
  for (unsigned c = 0; c < 128; ++c) {
    if (in(static_cast<char>(c))) {
      columns[c & 15U] = static_cast<std::uint8_t>(columns[c & 15U] | 1U << (c >> 4U));
    }
  }
  return columns;
}
constexpr bool introducer_of_escape(char c) {
  return is_introducer(c);
}
constexpr Columns kIntroducer = columns_of(introducer_of_escape);
constexpr Columns kLineBreak = columns_of(line_break);
constexpr Columns kBeforeBreak = columns_of(before_break);
constexpr Columns kHexPart = columns_of(hex_part);
// The columns read 0 for a byte beyond ASCII; no row is 0.
constexpr Columns kRows = {1, 2, 4, 8, 16, 32, 64, 128, 255, 255, 255, 255, 255, 255, 255, 255};

AV_AVX2 AV_INLINE __m256i both_halves(const Columns& columns) {
  return _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(columns.data())));
}

AV_AVX2 AV_INLINE __m256i rows_of(__m256i bytes) {
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
  return _mm256_shuffle_epi8(both_halves(kRows), high);
}

AV_AVX2 AV_INLINE std::uint32_t members(__m256i bytes, __m256i rows, __m256i columns) {
  const __m256i hit = _mm256_and_si256(_mm256_shuffle_epi8(columns, bytes), rows);
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(hit, rows)));
}

struct Bytes {
  __m256i bytes;
  __m256i rows;
};
AV_AVX2 AV_INLINE std::uint64_t members(const Bytes& low, const Bytes& high,
                                        const Columns& columns) {
  const __m256i c = both_halves(columns);
  return members(low.bytes, low.rows, c) | std::uint64_t{members(high.bytes, high.rows, c)} << 32U;
}

template <bool kIntroducers>
AV_AVX2 AV_INLINE void classify_avx2(const char* data, auto& block) {
  Bytes low;
  low.bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
  low.rows = rows_of(low.bytes);
  Bytes high;
  high.bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + 32));
  high.rows = rows_of(high.bytes);
  if constexpr (kIntroducers) {
    block.introducers = members(low, high, kIntroducer);
  }
  block.breaks = members(low, high, kLineBreak);
  block.before_break = members(low, high, kBeforeBreak);
  block.hex_parts = members(low, high, kHexPart);
}

}  // namespace

template <bool kIntroducers>
AV_AVX2 void TextMarks::walk_avx2(std::string_view text, std::size_t least_hex) {
  Walk<kIntroducers> walk(*this, text, least_hex);
  Block block;
  std::size_t at = 0;
  for (; at + kBlock <= text.size(); at += kBlock) {
    classify_avx2<kIntroducers>(text.data() + at, block);
    walk.add(block, at);
  }
  if (at < text.size()) {
    classify_avx2<kIntroducers>(Rest(text.substr(at)).data(), block);
    walk.add(block, at);
  }
  walk.finish();
}

void TextMarks::scan(std::string_view text, std::size_t least_hex, bool introducers) {
  static const bool able =
      __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi") != 0 &&
      __builtin_cpu_supports("bmi2") != 0 && __builtin_cpu_supports("popcnt") != 0;
  if (!able) {
    scan_portably(text, least_hex, introducers);
  } else if (introducers) {
    walk_avx2<true>(text, least_hex);
  } else {
    walk_avx2<false>(text, least_hex);
  }
}

#else

void TextMarks::scan(std::string_view text, std::size_t least_hex, bool introducers) {
  scan_portably(text, least_hex, introducers);
}

#endif

}  // namespace av::proxy
