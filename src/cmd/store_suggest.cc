#include "cmd/store_suggest.h"

#include <algorithm>
#include <set>
#include <utility>

#include "cmd/shell_word.h"
#include "core/encoding.h"
#include "vault/host_mapping.h"

namespace av::cmd {
namespace {

// Each is a question to the store.
constexpr std::size_t kMostFolders = 100;

// The password of a login: 1Password's references name a field, the others' need not.
std::string value_of(std::string_view scheme, const source::Listed& item) {
  return item.reference + (scheme == "op" ? "/password" : "");
}

std::string covered_by(const std::vector<vault::Service>& services,
                       const std::vector<vault::HostMapping>& mappings, const std::string& host) {
  for (const vault::Service& service : services) {
    if (service.host == host) {
      return "the service " + service.name;
    }
  }
  for (const vault::HostMapping& mapping : mappings) {
    if (mapping.service.host == host) {
      return "a mapping to " + mapping.store;
    }
  }
  return {};
}

}  // namespace

Expected<std::vector<Suggestion>> suggest_mappings(Context& context, const std::string& vault,
                                                   std::string_view scheme, const ListStore& list) {
  AV_TRY(const auto services, context.store->list_services(vault));
  AV_TRY(const auto mappings, context.store->list_mappings(vault));
  AV_TRY(std::vector<source::Listed> items, list({}));
  const std::vector<source::Listed> top = items;
  std::size_t folders = 0;
  for (const source::Listed& folder : top) {
    if (folder.folder && folder.hosts.empty() && folders++ < kMostFolders) {
      AV_TRY(const auto below, list(folder.reference));
      items.insert(items.end(), below.begin(), below.end());
    }
  }
  std::vector<Suggestion> out;
  std::set<std::pair<std::string, std::string>> seen;
  for (const source::Listed& item : items) {
    for (const std::string& host : item.hosts) {
      // What cannot be mapped is none of our business; the same item may be listed twice. A
      // reference that is no plain line must not become several.
      const auto mapped = vault::mapping_service(host);
      if (mapped && encoding::printable(item.reference) == item.reference &&
          seen.emplace(mapped->host, item.reference).second) {
        out.push_back({mapped->host, value_of(scheme, item), encoding::printable(item.title),
                       covered_by(services, mappings, mapped->host)});
      }
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Suggestion& a, const Suggestion& b) { return a.host < b.host; });
  return out;
}

std::string suggestions_text(const std::vector<Suggestion>& suggestions, const std::string& vault,
                             const std::string& store) {
  std::string out;
  for (const Suggestion& one : suggestions) {
    out += "# " + one.title + (one.covered.empty() ? "" : "; the host has " + one.covered) + "\n";
    out += one.covered.empty() ? "" : "# ";
    out += "agent-vault vault store map " + shell_word(one.host) + " " + shell_word(one.reference) +
           " --store " + shell_word(store) + " --vault " + shell_word(vault) + "\n";
  }
  return out;
}

}  // namespace av::cmd
