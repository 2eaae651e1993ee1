// CborReader never reads beyond its bytes; what it takes for a number, a text, a list is written
// back as it came, since only one form of each is taken.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "fuzz/require.h"
#include "source/cbor.h"
#include "source/cose.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> bytes(data, size);
  const auto same = [&](const av::source::CborWriter& out) {
    require(std::equal(out.out().begin(), out.out().end(), bytes.begin(), bytes.end()));
  };
  av::source::CborReader numbers(bytes);
  if (const auto number = numbers.integer(); number && numbers.done()) {
    av::source::CborWriter out;
    out.integer(*number);
    same(out);
  }
  av::source::CborReader texts(bytes);
  if (const auto text = texts.text(4096); text && texts.done()) {
    av::source::CborWriter out;
    out.text(*text);
    same(out);
  }
  av::source::CborReader lists(bytes);
  if (const auto list = lists.octets(4096); list && lists.done()) {
    av::source::CborWriter out;
    if (data[0] >> 5U == 2) {
      out.bytes(*list);
    } else {
      out.octets(*list);
    }
    same(out);
  }
  // Every other reading of the same bytes only has to end.
  av::source::CborReader any(bytes);
  for (std::size_t i = 0; i < size; ++i) {
    if (!any.map() && !any.array() && !any.integer()) {
      break;
    }
  }
  static_cast<void>(av::source::public_key_of(bytes));
  return 0;
}
