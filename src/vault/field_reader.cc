#include "vault/field_reader.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/encoding.h"
#include "vault/names.h"

namespace av::vault {
namespace {

std::string joined(std::span<const std::string_view> names) {
  std::string out;
  for (const std::string_view name : names) {
    out += (out.empty() ? "" : ", ") + std::string(name);
  }
  return out;
}

}  // namespace

std::string suggestion(std::string_view word, std::span<const std::string_view> known,
                       std::string_view what) {
  const std::vector<std::string> candidates(known.begin(), known.end());
  const std::string near = did_you_mean(word, candidates);
  return near.empty() ? std::string(what) + ": " + joined(known) : "did you mean \"" + near + "\"?";
}

Status check_members(const TextTree& tree, const TextTree::Json& node, const std::string& path,
                     std::span<const std::string_view> known) {
  for (const auto& [name, value] : node.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return tree.error_at(TextTree::member(path, name),
                           "unknown field \"" + encoding::printable(name.substr(0, 80)) + "\"",
                           suggestion(name, known, "the fields are"));
    }
  }
  return {};
}

Status Fields::only(std::span<const std::string_view> known) const {
  if (!node_.is_object()) {
    return tree_.error_at(path_, "must be a table of fields");
  }
  return check_members(tree_, node_, path_, known);
}

const TextTree::Json* Fields::find(std::string_view key) const {
  const auto it = node_.find(std::string(key));
  return it == node_.end() ? nullptr : &*it;
}

Error Fields::wrong(std::string_view key, std::string_view why, std::string hint) const {
  const std::string at = find(key) != nullptr ? path_of(key) : path_;
  return tree_.error_at(at, "\"" + std::string(key) + "\" " + std::string(why), std::move(hint));
}

Status Fields::text(std::string_view key, std::string& out) const {
  if (const Json* value = find(key)) {
    if (!value->is_string()) {
      return wrong(key, "must be a string");
    }
    out = value->get<std::string>();
  }
  return {};
}

Status Fields::required_text(std::string_view key, std::string& out) const {
  if (find(key) == nullptr) {
    return wrong(key, "is missing");
  }
  AV_CHECK(text(key, out));
  return out.empty() ? Status(wrong(key, "is empty")) : Status();
}

Status Fields::flag(std::string_view key, bool& out) const {
  if (const Json* value = find(key)) {
    if (!value->is_boolean()) {
      return wrong(key, "must be true or false");
    }
    out = value->get<bool>();
  }
  return {};
}

Status Fields::texts(std::string_view key, std::vector<std::string>& out) const {
  const Json* value = find(key);
  if (value == nullptr) {
    return {};
  }
  if (!value->is_array()) {
    return wrong(key, "must be a list of strings");
  }
  for (const Json& item : *value) {
    if (!item.is_string()) {
      return wrong(key, "must be a list of strings");
    }
    out.push_back(item.get<std::string>());
  }
  return {};
}

Status Fields::number(std::string_view key, std::uint32_t least, std::uint32_t most,
                      std::uint32_t& out) const {
  if (const Json* value = find(key)) {
    if (!value->is_number_integer() || *value < least || *value > most) {
      return wrong(key, "must be a whole number from " + std::to_string(least) + " to " +
                            std::to_string(most));
    }
    out = value->get<std::uint32_t>();
  }
  return {};
}

void make_upper(std::vector<std::string>& words) {
  for (std::string& word : words) {
    for (char& c : word) {
      c = ascii::upper(c);
    }
  }
}

std::string slug_of(std::string_view text, std::string_view what) {
  constexpr std::size_t kMax = 64;
  std::string out;
  for (const char c : text) {
    if (ascii::is_alpha(c) || ascii::is_digit(c)) {
      out.push_back(ascii::lower(c));
    } else if (!out.empty() && out.back() != '-') {
      out.push_back('-');
    }
  }
  out = out.substr(0, kMax);
  while (!out.empty() && out.back() == '-') {
    out.pop_back();
  }
  return out.size() < 3 ? std::string(what) + "-" + out : out;
}

}  // namespace av::vault
