// The OAuth part of RemoteStore: what `serve` does itself, on its pages and for its proxy.

#include "cmd/remote_json.h"
#include "cmd/remote_store.h"

namespace av::cmd {
namespace {

using remote_json::not_here;

constexpr std::string_view kWhat = "an OAuth credential";

}  // namespace

Expected<bool> RemoteStore::connect_oauth(std::string_view /*vault*/, std::string_view /*key*/,
                                          const OauthConnection& /*connection*/,
                                          std::string_view /*origin*/) {
  return not_here(kWhat);
}

Status RemoteStore::connect_login(std::string_view /*vault*/, std::string_view /*key*/,
                                  const OauthConnection& /*connection*/,
                                  const std::vector<vault::Service>& /*services*/,
                                  std::int64_t /*replaces_ms*/) {
  return not_here(kWhat);
}

Expected<store::Store::OauthInfo> RemoteStore::get_oauth(std::string_view /*vault*/,
                                                         std::string_view /*key*/) {
  return not_here(kWhat);
}

// None that a run could set a program up for.
Expected<std::vector<store::Store::OauthInfo>> RemoteStore::list_oauth(std::string_view /*vault*/) {
  return std::vector<OauthInfo>();
}

Expected<vault::OauthSecrets> RemoteStore::oauth_secrets(std::string_view /*vault*/,
                                                         std::string_view /*key*/) {
  return not_here(kWhat);
}

Status RemoteStore::delete_oauth(const OauthInfo& /*info*/) {
  return not_here(kWhat);
}

Expected<vault::TokenStore::BeginRefresh> RemoteStore::begin_refresh(
    const vault::TokenName& /*name*/, std::uint64_t /*known*/, vault::RefreshReason /*reason*/) {
  return not_here(kWhat);
}

Expected<vault::FreshToken> RemoteStore::finish_refresh(const vault::RefreshLease& /*lease*/,
                                                        const vault::RefreshedTokens& /*tokens*/) {
  return not_here(kWhat);
}

Status RemoteStore::fail_refresh(const vault::RefreshLease& /*lease*/,
                                 const vault::RefreshFailure& /*failure*/) {
  return not_here(kWhat);
}

}  // namespace av::cmd
