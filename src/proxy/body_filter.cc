#include "proxy/body_filter.h"

#include <utility>

namespace av::proxy {

BodyFilter::BodyFilter(const PatternSet* patterns, CodingList codings) {
  if (patterns != nullptr && !patterns->empty()) {
    scrubber_.emplace(*patterns);
  }
  if (codings) {
    decoder_.emplace(codings);
  }
}

void BodyFilter::supply(std::span<char> data, bool end) {
  end_ = end;
  supplied_any_ = supplied_any_ || !data.empty();
  if (decoder_) {
    decoder_->supply(std::string_view(data.data(), data.size()));
  } else {
    pending_ = data;
  }
}

std::string_view BodyFilter::next() {
  for (;;) {
    const std::span<char> plain =
        decoder_ ? decoder_->next() : std::exchange(pending_, std::span<char>());
    if (plain.empty()) {
      break;
    }
    const std::string_view clean = scrubber_ ? scrubber_->feed(plain, /*last=*/false)
                                             : std::string_view(plain.data(), plain.size());
    if (!clean.empty()) {
      return clean;
    }
  }
  if (decoder_) {
    failed_ = decoder_->failed() || (end_ && supplied_any_ && !decoder_->finished());
  }
  // Of a damaged body nothing more goes out.
  if (end_ && !failed_ && !flushed_ && scrubber_) {
    flushed_ = true;
    return scrubber_->feed({}, /*last=*/true);
  }
  return {};
}

}  // namespace av::proxy
