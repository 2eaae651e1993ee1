#include "proxy/guarded_values.h"

#include <algorithm>

namespace av::proxy {

bool GuardedValues::knows(const Name& name) const {
  return std::any_of(values_.begin(), values_.end(),
                     [&](const Value& value) { return value.name == name; });
}

Status GuardedValues::add(const Name& name, std::string_view value, bool literal,
                          std::int64_t until_ms) {
  AV_TRY(Secret copy, Secret::copy_of(value));
  Value& added = values_.emplace_back();
  added.name = name;
  added.value = std::move(copy);
  added.literal = literal;
  added.until_ms = until_ms;
  changed_ = true;
  return {};
}

GuardedValues::Use GuardedValues::use_of(const Name& name) const {
  const auto found = std::find_if(values_.begin(), values_.end(),
                                  [&](const Value& value) { return value.name == name; });
  return found == values_.end() ? nullptr : found->use;
}

void GuardedValues::settle(std::int64_t wall_ms) {
  const auto ended = [&](const Value& value) {
    return value.until_ms != 0 && value.until_ms <= wall_ms;
  };
  if (!changed_ && std::none_of(values_.begin(), values_.end(), ended)) {
    return;
  }
  changed_ = false;
  std::erase_if(values_, ended);
  std::map<std::string_view, std::size_t> of_key;
  std::size_t all = 0;
  for (auto value = values_.rbegin(); value != values_.rend(); ++value) {
    const bool beyond = ++of_key[value->name.key] > kMostOfKey || ++all > kMostValues;
    if (beyond && value->use.use_count() == 1) {
      value->until_ms = wall_ms;
    }
  }
  std::erase_if(values_, ended);
  PatternSet patterns;
  for (const Value& value : values_) {
    value.value.reveal([&](std::string_view text) {
      if (value.literal) {
        patterns.add_literal(text);
      } else {
        patterns.add_value(text);
      }
    });
  }
  patterns.compile();
  patterns_ = std::move(patterns);
}

}  // namespace av::proxy
