#include "source/op_items.h"

#include <algorithm>
#include <map>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/op_reference.h"
#include "vault/canonical.h"

namespace av::source {
namespace {

using vault::JsonView;

constexpr std::size_t kMostListed = 2000;
constexpr std::size_t kMostHosts = 32;
constexpr std::int64_t kPeriod = 30'000;

// What stands in a reference for this entry; empty when nothing can.
std::string spelled(const std::string& name, const std::string& id) {
  return op_name(name) && !op_id(name) ? name : op_name(id) ? id : std::string();
}

std::string shown(const std::string& text) {
  return encoding::printable(text.substr(0, 256));
}

std::vector<JsonView> entries(const JsonView& array) {
  auto all = array.is(JsonView::Kind::kArray) ? array.children() : std::vector<JsonView>();
  if (all.size() > kMostListed) {
    all.erase(all.begin() + kMostListed, all.end());
  }
  return all;
}

std::vector<std::string> hosts_of(const JsonView& item) {
  std::vector<std::string> out;
  const auto urls = item.find("urls");
  if (!urls || text_member(item, "category") != "LOGIN") {
    return out;
  }
  for (const JsonView& url : urls->children()) {
    std::string host = host_of_website(text_member(url, "href"));
    if (!host.empty() && out.size() < kMostHosts &&
        std::find(out.begin(), out.end(), host) == out.end()) {
      out.push_back(std::move(host));
    }
  }
  return out;
}

}  // namespace

std::string text_member(const JsonView& object, std::string_view name) {
  const auto found = object.find(name);
  return found ? found->text() : std::string();
}

std::string host_of_website(std::string_view website) {
  website = ascii::trim(website);
  const std::size_t scheme = website.find("://");
  if (scheme != std::string_view::npos) {
    const std::string name = ascii::lower(website.substr(0, scheme));
    if (name != "https" && name != "http") {
      return {};
    }
    website.remove_prefix(scheme + 3);
  }
  const std::string_view authority = website.substr(0, website.find_first_of("/?#"));
  const auto parsed = vault::parse_authority(authority, 443);
  return parsed ? parsed->host : std::string();
}

std::string section_label(const JsonView& item, const JsonView& field) {
  const auto own = field.find("section");
  if (!own) {
    return {};
  }
  const std::string label = text_member(*own, "label");
  const auto sections = item.find("sections");
  if (!label.empty() || !sections) {
    return label;
  }
  const std::string id = text_member(*own, "id");
  for (const JsonView& section : sections->children()) {
    if (text_member(section, "id") == id) {
      return text_member(section, "label");
    }
  }
  return {};
}

std::int64_t until_next_code(std::int64_t wall_ms) {
  return kPeriod - wall_ms % kPeriod;
}

std::vector<Listed> op_vaults(const JsonView& vaults) {
  std::vector<Listed> out;
  for (const JsonView& entry : entries(vaults)) {
    const std::string name = text_member(entry, "name");
    const std::string spelling = spelled(name, text_member(entry, "id"));
    if (!spelling.empty()) {
      out.push_back({"op://" + spelling, shown(name), {}, true});
    }
  }
  return out;
}

std::vector<Listed> op_items(const JsonView& items, const std::string& vault_name) {
  std::vector<Listed> out;
  const auto all = entries(items);
  std::map<std::string, int> called;
  for (const JsonView& entry : all) {
    ++called[ascii::lower(text_member(entry, "title"))];
  }
  for (const JsonView& entry : all) {
    const std::string title = text_member(entry, "title");
    const std::string id = text_member(entry, "id");
    const std::string spelling =
        called[ascii::lower(title)] > 1 ? spelled({}, id) : spelled(title, id);
    if (!spelling.empty()) {
      out.push_back({"op://" + vault_name + "/" + spelling, shown(title), hosts_of(entry), true});
    }
  }
  return out;
}

std::vector<Listed> op_fields(const JsonView& item, const std::string& vault_name,
                              const std::string& item_name) {
  std::vector<Listed> out;
  const auto fields = item.find("fields");
  if (!fields) {
    return out;
  }
  for (const JsonView& field : entries(*fields)) {
    const std::string label = text_member(field, "label");
    const std::string id = text_member(field, "id");
    const std::string section = section_label(item, field);
    const auto own = field.find("section");
    const std::string section_id = own ? text_member(*own, "id") : std::string();
    std::string reference = "op://" + vault_name + "/" + item_name + "/";
    const std::string above = spelled(section, section_id);
    // A section without a name or a usable id is not needed to tell the field by its id.
    const std::string spelling = above.empty() && own ? spelled({}, id) : spelled(label, id);
    if (spelling.empty()) {
      continue;
    }
    reference += (above.empty() ? "" : above + "/") + spelling;
    if (text_member(field, "type") == "OTP") {
      reference += "?attribute=otp";
    }
    out.push_back({reference, shown(section.empty() ? label : section + " / " + label), {}, false});
  }
  return out;
}

}  // namespace av::source
