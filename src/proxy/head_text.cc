#include "proxy/head_text.h"

#include "core/ascii.h"
#include "proxy/head.h"

namespace av::proxy {

namespace {
constexpr std::size_t kSeparator = 2;  // ": ", and CRLF
}

void HeadText::add(std::string_view name, std::string_view value, Kind kind) {
  begin(name).append(value);
  end(kind);
}

SecretBuffer& HeadText::begin(std::string_view name) {
  Place& place = index_.emplace_back();
  place.name = static_cast<std::uint32_t>(text_.size());
  place.name_size = static_cast<std::uint32_t>(name.size());
  text_.append(name);
  text_.append(": ");
  return text_;
}

void HeadText::end(Kind kind) {
  Place& place = index_.back();
  place.kind = kind;
  place.value_size =
      static_cast<std::uint32_t>(text_.size() - place.name - place.name_size - kSeparator);
  text_.append("\r\n");
}

void HeadText::append(const HeadText& other) {
  for (std::size_t i = 0; i < other.size(); ++i) {
    const Entry field = other.entry(i);
    add(field.name, field.value, field.kind);
  }
}

void HeadText::clear() {
  text_.clear();
  index_.clear();
}

HeadText::Entry HeadText::entry(std::size_t i) const {
  const Place& place = index_[i];
  Entry entry;
  entry.name = text_.view().substr(place.name, place.name_size);
  // White space at the ends is no part of a value (RFC 9110 section 5.5). HTTP/1.1 permits it in
  // the line, HTTP/2 does not (RFC 9113 section 8.2.1).
  entry.value =
      ascii::trim(text_.view().substr(place.name + place.name_size + kSeparator, place.value_size));
  entry.kind = place.kind;
  return entry;
}

bool HeadText::contains(std::string_view name) const {
  for (std::size_t i = 0; i < index_.size(); ++i) {
    if (iequals(entry(i).name, name)) {
      return true;
    }
  }
  return false;
}

}  // namespace av::proxy
