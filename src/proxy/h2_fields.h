#pragma once
// H2Fields: a header block in the form that nghttp2 takes.

#include <nghttp2/nghttp2.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/ascii.h"
#include "proxy/head_text.h"

namespace av::proxy {

// The texts must outlive the call that they are handed to, not longer.
class H2Fields {
 public:
  explicit H2Fields(std::size_t size_hint) { fields_.reserve(size_hint); }

  void add(std::string_view name, std::string_view value, std::uint8_t flags = 0) {
    nghttp2_nv& field = fields_.emplace_back();
    // The interface predates const; nothing is written through these.
    field.name = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data()));
    field.namelen = name.size();
    field.value = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data()));
    field.valuelen = value.size();
    field.flags = flags;
  }

  // RFC 9113 section 8.2: names are in lower case.
  void add_all(const HeadText& head) {
    names_.reserve(head.text().size());
    for (std::size_t i = 0; i < head.size(); ++i) {
      const HeadText::Entry entry = head.entry(i);
      if (entry.kind == HeadText::Kind::kHttp1Only) {
        continue;
      }
      const std::size_t at = names_.size();
      for (const char c : entry.name) {
        names_.push_back(ascii::lower(c));
      }
      add(std::string_view(names_).substr(at), entry.value,
          entry.kind == HeadText::Kind::kSecret ? NGHTTP2_NV_FLAG_NO_INDEX : 0);
    }
  }

  [[nodiscard]] const nghttp2_nv* data() const { return fields_.data(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }

 private:
  std::vector<nghttp2_nv> fields_;
  std::string names_;  // reserved for all of them, so the views stay
};

}  // namespace av::proxy
