#pragma once
// H2Head: collects the fields of one HTTP/2 header block and turns them into the heads that the
// rest of the proxy knows (RFC 9113 section 8). The library below has checked the syntax of names
// and values, the order and number of pseudo-header fields and connection-specific fields; what is
// left is what they mean.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/head.h"

namespace av::proxy {

class H2Head {
 public:
  // False once the block is larger than a head may be; what comes after is not kept.
  bool add(std::string_view name, std::string_view value);
  [[nodiscard]] bool too_large() const { return too_large_; }
  void clear();
  // A response of class 1xx: another head follows.
  [[nodiscard]] bool is_interim() const;

  // Each moves the text into the head. `end`: the block also ended the stream.
  [[nodiscard]] std::optional<HeadError> to_request(RequestHead& head, bool end);
  [[nodiscard]] std::optional<HeadError> to_response(ResponseHead& head, bool end,
                                                     std::string_view request_method);
  // Fields that may be forwarded; views into the returned text.
  [[nodiscard]] bool to_trailers(std::string& text, std::vector<Field>& fields);

 private:
  struct Place {
    std::uint32_t name = 0;
    std::uint32_t name_size = 0;
    std::uint32_t value_size = 0;
  };
  [[nodiscard]] Field at(std::string_view text, const Place& place) const;
  void join_cookies();
  [[nodiscard]] bool fields_are_sound() const;
  std::optional<HeadError> set_body(Head& head, bool end, bool needs_body) const;

  std::string text_;
  std::vector<Place> places_;
  bool too_large_ = false;
};

}  // namespace av::proxy
