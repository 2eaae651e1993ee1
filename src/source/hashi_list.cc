// What there is to refer to in Vault: mounts, folders, secrets, and the names of their fields. KV
// only; listing makes no credentials.

#include <utility>

#include "core/encoding.h"
#include "source/hashi_provider.h"
#include "source/reference_path.h"

namespace av::source {
namespace {

using Why = Failure::Why;

constexpr std::size_t kMostListed = 5000;

std::string reference_to(const std::string& path) {
  return "vault://" + percent_path(path);
}

}  // namespace

Result<std::vector<Listed>> HashiProvider::list(const std::string& reference) {
  if (reference.empty()) {
    return list_mounts();
  }
  AV_TRY(std::string path, hashi_folder(reference));
  const bool folder = path.ends_with('/');
  if (folder) {
    path.pop_back();
  }
  bool cached = false;
  AV_TRY(const Mount mount, mount_of(path, cached));
  if (!mount.kv) {
    return failure(
        Why::kInvalid, "only KV secrets engines can be listed",
        "what others have is made when it is read: vault://" + excerpt(path) + "/...#FIELD");
  }
  if (folder || path + "/" == mount.path) {
    return list_folder(path, mount);
  }
  auto fields = list_fields(path, mount);
  return fields || fields.error().why != Why::kNotFound ? std::move(fields)
                                                        : list_folder(path, mount);
}

Result<std::vector<Listed>> HashiProvider::list_mounts() {
  AV_TRY(const Answered got, ask("GET", "/v1/sys/internal/ui/mounts"));
  if (!got.answer.good()) {
    return client_.failure_of(got.answer, "listing its mounts", {&got.token->value});
  }
  const auto mounts = got.answer.find({"data", "secret"});
  std::vector<Listed> out;
  for (const vault::JsonView& mount :
       mounts ? mounts->children() : std::vector<vault::JsonView>()) {
    const auto type = mount.find("type");
    const std::string path = mount.name();
    if (!type || (type->text() != "kv" && type->text() != "generic") || out.size() == kMostListed ||
        !read_path(percent_path(path), /*slash_at_end=*/true)) {
      continue;
    }
    Listed one;
    one.reference = reference_to(path);
    one.title = excerpt(path);
    one.folder = true;
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::vector<Listed>> HashiProvider::list_folder(const std::string& path,
                                                       const Mount& mount) {
  const std::string below = path + "/" == mount.path ? "" : path.substr(mount.path.size()) + "/";
  const std::string target = "/v1/" + percent_path(mount.path) +
                             (mount.versioned ? "metadata/" : "") + percent_path(below) +
                             "?list=true";
  AV_TRY(const Answered got, ask("GET", target));
  if (!got.answer.good()) {
    Failure out = client_.failure_of(got.answer, "listing " + excerpt(path), {&got.token->value});
    if (got.answer.status == 403) {
      out.hint = "the policy needs: path \"" + excerpt(mount.path) +
                 (mount.versioned ? "metadata/" : "") + excerpt(below) +
                 "\" { capabilities = [\"list\"] }";
    }
    return out;
  }
  const auto keys = got.answer.find({"data", "keys"});
  std::vector<Listed> out;
  for (const vault::JsonView& key : keys ? keys->children() : std::vector<vault::JsonView>()) {
    const std::string name = key.text();
    const std::string whole = mount.path + below + name;
    if (out.size() == kMostListed || !read_path(percent_path(whole), /*slash_at_end=*/true)) {
      continue;  // what no reference can name
    }
    Listed one;
    one.reference = reference_to(whole);
    one.title = excerpt(name);
    one.folder = true;  // a secret has its fields below
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::vector<Listed>> HashiProvider::list_fields(const std::string& path,
                                                       const Mount& mount) {
  HashiItem item;
  item.path = path;
  AV_TRY(const Record record, read(item, mount));
  std::vector<Listed> out;
  for (const auto& [name, value] : record.fields) {
    Listed one;
    one.reference = reference_to(path) + "#" + encoding::percent(name);
    one.title = excerpt(name);
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace av::source
