#pragma once
// BodyFilter: what happens to the bytes of a response body between its two framings: content
// codings come off where needed, injected values are masked. Without either, bytes pass untouched
// and uncopied.

#include <optional>
#include <span>
#include <string_view>

#include "proxy/content_decoder.h"
#include "proxy/pattern_set.h"
#include "proxy/prefixed_messages.h"

namespace av::proxy {

class BodyFilter {
 public:
  // `codings` come off; none: the body is passed on as it is coded. Where there are `messages`,
  // what is searched ends where one ends.
  BodyFilter(const PatternSet* patterns, CodingList codings, Messages messages = Messages::kNone);
  // Hands over the next bytes; `end`: there are no more. They must stay valid until next() has
  // returned an empty view.
  void supply(std::span<char> data, bool end);
  // What may go out now; valid until the next call. Empty: wants more (or is done).
  std::string_view next();
  // The coding is damaged or cut short, or a message is compressed that must not be.
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t hits() const { return scrubber_ ? scrubber_->hits() : 0; }

 private:
  std::span<char> next_plain(bool& whole);

  std::optional<Scrubber> scrubber_;
  std::optional<ContentDecoder> decoder_;
  std::optional<PrefixedMessages> messages_;
  bool plain_messages_ = false;
  std::span<char> pending_;
  std::span<char>
      behind_;  // of what was pending or decoded: the part behind the last whole message
  bool supplied_any_ = false;
  bool end_ = false;
  bool flushed_ = false;
  bool failed_ = false;
};

}  // namespace av::proxy
