#include "proxy/h2_head.h"

#include <algorithm>

#include "core/ascii.h"
#include "proxy/http1_parser.h"

namespace av::proxy {
namespace {

// RFC 9113 section 6.5.2: each field counts for its text and 32 bytes.
constexpr std::size_t kFieldOverhead = 32;

constexpr HeadError bad(const char* message) {
  return HeadError{400, "bad_request", message};
}

bool has_upper_case(std::string_view name) {
  return std::any_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool is_clean_value(std::string_view value) {
  if (ascii::trim(value).size() != value.size()) {
    return false;  // RFC 9113 section 8.2.1
  }
  return std::all_of(value.begin(), value.end(), ascii::is_field_char);
}

// RFC 9113 section 8.2.2: these describe a connection, and HTTP/2 has none of them.
bool is_connection_specific(std::string_view name) {
  return name == "connection" || name == "transfer-encoding" || name == "keep-alive" ||
         name == "upgrade" || name == "proxy-connection";
}

}  // namespace

bool H2Head::add(std::string_view name, std::string_view value) {
  if (too_large_ || places_.size() == kMaxFields ||
      text_.size() + name.size() + value.size() + kFieldOverhead * (places_.size() + 1) >
          kMaxHeadSize) {
    too_large_ = true;
    return false;
  }
  Place& place = places_.emplace_back();
  place.name = static_cast<std::uint32_t>(text_.size());
  place.name_size = static_cast<std::uint32_t>(name.size());
  place.value_size = static_cast<std::uint32_t>(value.size());
  text_ += name;
  text_ += value;
  return true;
}

void H2Head::clear() {
  text_.clear();
  places_.clear();
  too_large_ = false;
}

bool H2Head::is_interim() const {
  return std::any_of(places_.begin(), places_.end(), [&](const Place& place) {
    const Field field = at(text_, place);
    return field.name == ":status" && field.value.starts_with('1');
  });
}

Field H2Head::at(std::string_view text, const Place& place) const {
  Field field;
  field.name = text.substr(place.name, place.name_size);
  field.value = text.substr(place.name + place.name_size, place.value_size);
  return field;
}

// RFC 9113 section 8.2.3: cookie crumbs become one field again, in the place of the first.
void H2Head::join_cookies() {
  std::size_t first = places_.size();
  std::size_t crumbs = 0;
  std::string joined = "cookie";
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const Field field = at(text_, places_[i]);
    if (field.name == "cookie") {
      first = std::min(first, i);
      joined += crumbs++ == 0 ? "" : "; ";
      joined += field.value;
    }
  }
  if (crumbs < 2) {
    return;
  }
  Place place;
  place.name = static_cast<std::uint32_t>(text_.size());
  place.name_size = 6;
  place.value_size = static_cast<std::uint32_t>(joined.size() - 6);
  for (std::size_t i = places_.size(); i-- > first + 1;) {
    if (at(text_, places_[i]).name == "cookie") {
      places_.erase(places_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  text_ += joined;
  places_[first] = place;
}

bool H2Head::fields_are_sound() const {
  return std::all_of(places_.begin(), places_.end(), [&](const Place& place) {
    const Field field = at(text_, place);
    const bool pseudo = field.name.starts_with(':');
    const std::string_view name = pseudo ? field.name.substr(1) : field.name;
    return is_token(name) && !has_upper_case(name) && is_clean_value(field.value) &&
           !is_connection_specific(name) && (name != "te" || field.value == "trailers");
  });
}

// `needs_body`: the length is that of bytes that follow, and not of those that another method would
// have got (HEAD, 304).
std::optional<HeadError> H2Head::set_body(Head& head, bool end, bool needs_body) const {
  std::optional<std::uint64_t> length;
  for (const Field& field : head.fields) {
    if (field.name != "content-length") {
      continue;
    }
    const auto parsed = parse_length(field.value);
    if (!parsed || length) {
      return HeadError{400, "bad_framing", "Content-Length is not one number"};
    }
    length = parsed;
  }
  head.content_length = length.value_or(0);
  if (end && needs_body && head.content_length != 0) {
    return HeadError{400, "bad_framing", "Content-Length of a message without a body"};
  }
  head.body = end ? BodyKind::kNone : length ? BodyKind::kLength : BodyKind::kChunked;
  return std::nullopt;
}

std::optional<HeadError> H2Head::to_request(RequestHead& head, bool end) {
  head.reset();
  head.http2 = true;
  if (too_large_) {
    return HeadError{431, "head_too_large", "the request head is larger than 64 KiB"};
  }
  if (!fields_are_sound()) {
    return bad("malformed header field");
  }
  join_cookies();
  head.storage = std::move(text_);
  std::string_view host_field;
  std::size_t hosts = 0;
  std::string_view protocol;
  for (const Place& place : places_) {
    const Field field = at(head.storage, place);
    if (field.name == ":method") {
      head.method = field.value;
    } else if (field.name == ":path") {
      head.target = field.value;
    } else if (field.name == ":authority") {
      head.host = field.value;
    } else if (field.name == ":scheme") {
      head.scheme = field.value;
    } else if (field.name == ":protocol") {
      protocol = field.value;
    } else if (field.name == "host") {
      ++hosts;
      host_field = field.value;
    } else if (field.name == "expect") {
      if (!iequals(field.value, "100-continue")) {
        return HeadError{417, "expectation_failed", "Expect other than 100-continue"};
      }
      head.expect_continue = true;
      head.fields.push_back(field);
    } else if (field.name.starts_with(':')) {
      return bad("unknown pseudo-header field");
    } else if (same_variable(field.name, "transfer-encoding") ||
               (field.name != "content-length" && same_variable(field.name, "content-length"))) {
      return HeadError{400, "bad_framing", "a framing field spelt with an underscore"};
    } else {
      head.fields.push_back(field);
    }
  }
  places_.clear();
  if (auto error = check_credentials(head)) {
    return error;
  }
  if (hosts > 1 || (hosts == 1 && !head.host.empty() && !iequals(host_field, head.host))) {
    return HeadError{400, "bad_host", "Host and :authority differ"};
  }
  head.host = head.host.empty() ? host_field : head.host;
  if (!is_token(head.method) || head.method.size() > 32 || head.host.empty()) {
    return bad("malformed pseudo-header field");
  }
  if (!protocol.empty()) {
    // RFC 8441: an extended CONNECT. To everything behind, it is the GET that opens a WebSocket.
    if (head.method != "CONNECT" || protocol != "websocket" || end) {
      return bad("an extended CONNECT for anything but websocket");
    }
    head.method = "GET";
    head.websocket_upgrade = true;
  } else if (head.method == "CONNECT") {
    return bad("CONNECT inside a tunnel");
  }
  if (head.target.empty() || head.scheme.empty()) {
    return bad("malformed pseudo-header field");
  }
  // Of a body that does not come the library has found the length too; an HTTP/1.1 server would
  // wait for the next request's bytes.
  return set_body(head, end || head.websocket_upgrade, /*needs_body=*/true);
}

std::optional<HeadError> H2Head::to_response(ResponseHead& head, bool end,
                                             std::string_view request_method) {
  head.reset();
  if (too_large_ || !fields_are_sound()) {
    return HeadError{502, "upstream_protocol", "malformed or endless response head"};
  }
  head.storage = std::move(text_);
  for (const Place& place : places_) {
    const Field field = at(head.storage, place);
    if (field.name == ":status") {
      const auto status = parse_length(field.value);
      if (!status || field.value.size() != 3 || *status < 100 || *status > 599 || *status == 101) {
        return HeadError{502, "upstream_protocol", "status code out of range"};
      }
      head.status = static_cast<int>(*status);
    } else if (field.name.starts_with(':')) {
      return HeadError{502, "upstream_protocol", "unknown pseudo-header field"};
    } else {
      head.fields.push_back(field);
    }
  }
  places_.clear();
  if (head.status == 0) {
    return HeadError{502, "upstream_protocol", "no status"};
  }
  const bool bodiless = has_no_body(head.status, request_method);
  if (auto error = set_body(head, end, !bodiless)) {
    error->status = 502;
    error->code = "upstream_protocol";
    return error;
  }
  if (bodiless) {
    head.body = BodyKind::kNone;
  }
  return std::nullopt;
}

bool H2Head::to_trailers(std::string& text, std::vector<Field>& fields) {
  if (too_large_ || !fields_are_sound()) {
    return false;
  }
  text = std::move(text_);
  for (const Place& place : places_) {
    const Field field = at(text, place);
    if (field.name.starts_with(':')) {
      return false;
    }
    if (may_be_trailer(field.name)) {
      fields.push_back(field);
    }
  }
  places_.clear();
  return true;
}

}  // namespace av::proxy
