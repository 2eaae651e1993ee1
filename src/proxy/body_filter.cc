#include "proxy/body_filter.h"

#include <utility>

namespace av::proxy {

BodyFilter::BodyFilter(const PatternSet* patterns, CodingList codings, Messages messages) {
  if (patterns != nullptr && !patterns->empty()) {
    scrubber_.emplace(*patterns);
  }
  if (codings) {
    decoder_.emplace(codings);
  }
  if (messages != Messages::kNone && scrubber_) {
    messages_.emplace();
    plain_messages_ = messages == Messages::kPrefixedPlain;
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

// The next bytes without their coding; `whole`: they end where a message does.
std::span<char> BodyFilter::next_plain(bool& whole) {
  whole = false;
  std::span<char> plain = std::exchange(behind_, std::span<char>());
  if (!plain.empty()) {
    return plain;
  }
  plain = decoder_ ? decoder_->next() : std::exchange(pending_, std::span<char>());
  if (!messages_) {
    return plain;
  }
  const std::size_t through = messages_->through_last_message(plain);
  if (plain_messages_ && messages_->compressed()) {
    failed_ = true;  // which no field has announced: plan_response() would have refused it
    return {};
  }
  whole = through != 0;
  if (whole) {
    behind_ = plain.subspan(through);
    plain = plain.first(through);
  }
  return plain;
}

std::string_view BodyFilter::next() {
  for (;;) {
    bool whole = false;
    const std::span<char> plain = next_plain(whole);
    if (plain.empty()) {
      break;
    }
    const std::string_view clean = scrubber_ ? scrubber_->feed(plain, /*last=*/whole)
                                             : std::string_view(plain.data(), plain.size());
    if (!clean.empty()) {
      return clean;
    }
  }
  if (decoder_) {
    failed_ = failed_ || decoder_->failed() || (end_ && supplied_any_ && !decoder_->finished());
  }
  // Of a damaged body nothing more goes out.
  if (end_ && !failed_ && !flushed_ && scrubber_) {
    flushed_ = true;
    return scrubber_->feed({}, /*last=*/true);
  }
  return {};
}

}  // namespace av::proxy
