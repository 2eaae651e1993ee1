#include "proxy/body_filter.h"

#include <utility>

namespace av::proxy {

BodyFilter::BodyFilter(const PatternSet* patterns, bool decode) {
  if (patterns != nullptr && !patterns->empty()) {
    scrubber_.emplace(*patterns);
  }
  if (decode) {
    inflater_.emplace();
  }
}

void BodyFilter::supply(std::span<char> data, bool end) {
  end_ = end;
  supplied_any_ = supplied_any_ || !data.empty();
  if (inflater_) {
    inflater_->supply(std::string_view(data.data(), data.size()));
  } else {
    pending_ = data;
  }
}

std::string_view BodyFilter::next() {
  for (;;) {
    const std::span<char> plain =
        inflater_ ? inflater_->next() : std::exchange(pending_, std::span<char>());
    if (plain.empty()) {
      break;
    }
    const std::string_view clean = scrubber_ ? scrubber_->feed(plain, /*last=*/false)
                                             : std::string_view(plain.data(), plain.size());
    if (!clean.empty()) {
      return clean;
    }
  }
  if (inflater_) {
    failed_ = inflater_->failed() || (end_ && supplied_any_ && !inflater_->finished());
  }
  if (end_ && !flushed_ && scrubber_) {
    flushed_ = true;
    return scrubber_->feed({}, /*last=*/true);
  }
  return {};
}

}  // namespace av::proxy
