// What there is to refer to in Infisical: folders, and the names of secrets.

#include <utility>

#include "core/encoding.h"
#include "source/infisical_provider.h"
#include "source/reference_path.h"

namespace av::source {
namespace {

constexpr std::size_t kMostListed = 5000;

}  // namespace

Result<std::vector<Listed>> InfisicalProvider::list(const std::string& reference) {
  AV_TRY(const InfisicalItem folder, infisical_folder(reference));
  const Place place = place_of(folder);
  const std::string before =
      "infisical://" + (folder.folder.empty() ? "" : percent_path(folder.folder) + "/");
  const std::string behind = folder.environment.empty() ? "" : "?env=" + folder.environment;
  std::vector<Listed> out;
  const auto add = [&](const vault::JsonView& one, std::string_view member, bool is_folder) {
    const auto name = one.find(member);
    if (out.size() == kMostListed || !name || name->text().empty()) {
      return;
    }
    Listed listed;
    listed.reference = before + encoding::percent(name->text()) + (is_folder ? "/" : "") + behind;
    listed.title = excerpt(name->text());
    listed.folder = is_folder;
    out.push_back(std::move(listed));
  };

  const auto target = [&] {
    return (old_api_ ? "/api/v3/secrets/raw" : "/api/v4/secrets") + query_of(place) +
           "&viewSecretValue=false";
  };
  AV_TRY(Answered secrets, ask("GET", target()));
  if (!old_api_ && is_unknown_route(secrets.answer)) {
    old_api_ = true;
    AV_TRY(secrets, ask("GET", target()));
  }
  if (!secrets.answer.good()) {
    return failure_of(secrets, "listing " + excerpt(place.path));
  }
  AV_TRY(const Answered folders,
         ask("GET",
             std::string(old_api_ ? "/api/v1/folders?workspaceId=" : "/api/v2/folders?projectId=") +
                 encoding::percent(settings_.project) + "&environment=" +
                 encoding::percent(place.environment) + "&path=" + encoding::percent(place.path)));
  if (folders.answer.good()) {  // who may not see folders still sees secrets
    const auto list = folders.answer.find({"folders"});
    for (const auto& one : list ? list->children() : std::vector<vault::JsonView>()) {
      add(one, "name", /*is_folder=*/true);
    }
  }
  const auto list = secrets.answer.find({"secrets"});
  for (const auto& one : list ? list->children() : std::vector<vault::JsonView>()) {
    add(one, "secretKey", /*is_folder=*/false);
  }
  return out;
}

}  // namespace av::source
