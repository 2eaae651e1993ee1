#include "proxy/body_filter.h"

#include <utility>

namespace av::proxy {

BodyFilter::BodyFilter(const PatternSet* patterns, CodingList codings, bool messages) {
  if (patterns != nullptr && !patterns->empty()) {
    scrubber_.emplace(*patterns);
  }
  if (codings) {
    decoder_.emplace(codings);
  } else if (messages && scrubber_) {
    messages_.emplace();
  }
}

void BodyFilter::supply(std::span<char> data, bool end) {
  end_ = end;
  supplied_any_ = supplied_any_ || !data.empty();
  if (decoder_) {
    decoder_->supply(std::string_view(data.data(), data.size()));
  } else {
    pending_ = data;
    whole_ = messages_ ? messages_->through_last_message(data) : 0;
  }
}

std::string_view BodyFilter::next() {
  for (;;) {
    std::span<char> plain =
        decoder_ ? decoder_->next() : std::exchange(pending_, std::span<char>());
    if (plain.empty()) {
      break;
    }
    const bool whole = whole_ != 0;
    if (whole) {
      pending_ = plain.subspan(whole_);
      plain = plain.first(std::exchange(whole_, 0));
    }
    const std::string_view clean = scrubber_ ? scrubber_->feed(plain, /*last=*/whole)
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
