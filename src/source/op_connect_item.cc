#include "source/op_connect_item.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/ascii.h"
#include "source/op_items.h"

namespace av::source {
namespace {

using vault::JsonView;

constexpr std::size_t kMostFields = 500;
constexpr std::size_t kMostName = 600;
constexpr std::size_t kMostBytes = std::size_t{512} << 10;

// A name, and the one field that it means.
struct Meaning {
  std::size_t field = 0;
  bool outside = false;  // of any section
  bool several = false;
};
using Meanings = std::map<std::string, Meaning, std::less<>>;

void mean(Meanings& all, const std::string& name, std::size_t field, bool outside) {
  if (name.empty() || name.size() > kMostName) {
    return;
  }
  const auto [at, fresh] = all.try_emplace(ascii::lower(name), Meaning{field, outside, false});
  Meaning& known = at->second;
  if (fresh || known.field == field) {
    return;
  }
  if (outside && !known.outside) {
    known = {field, true, false};
  } else if (outside == known.outside) {
    known.several = true;
  }
}

void mean_all(Meanings& all, const JsonView& item, const JsonView& field, std::size_t index) {
  const std::string label = text_member(field, "label");
  const std::string id = text_member(field, "id");
  const auto section = field.find("section");
  const std::string section_id = section ? text_member(*section, "id") : std::string();
  const bool outside = section_id.empty();
  mean(all, label, index, outside);
  mean(all, id, index, outside);
  if (outside) {
    return;
  }
  for (const std::string& above : {section_label(item, field), section_id}) {
    if (!above.empty()) {
      mean(all, above + "/" + label, index, false);
      mean(all, above + "/" + id, index, false);
    }
  }
}

}  // namespace

Result<Record> connect_record(const JsonView& item, bool codes) {
  const auto fields = item.find("fields");
  std::vector<JsonView> all = fields ? fields->children() : std::vector<JsonView>();
  if (all.size() > kMostFields) {
    return failure(Failure::Why::kInvalid, "the item has more than 500 fields");
  }
  std::vector<std::optional<JsonView>> values;
  Meanings meanings;
  for (const JsonView& field : all) {
    // The code that is valid now; `value` is what codes are made from.
    auto value = field.find(codes ? "totp" : "value");
    if (value && !value->is(JsonView::Kind::kString)) {
      value.reset();
    }
    if (value) {
      mean_all(meanings, item, field, values.size());
    }
    values.push_back(value);
  }
  Record out;
  std::size_t bytes = 0;
  for (const auto& [name, meaning] : meanings) {
    if (meaning.several) {
      continue;
    }
    auto value = values[meaning.field]->secret();
    bytes += value ? value->size() : 0;
    if (!value || bytes > kMostBytes) {
      return failure(Failure::Why::kInvalid, "the item is too large",
                     "put the secret into an item of its own");
    }
    if (!value->empty()) {
      out.fields.emplace(name, std::move(*value));
    }
  }
  return out;
}

}  // namespace av::source
