#include "cmd/oauth_words.h"

#include <nlohmann/json.hpp>

#include "cmd/output.h"
#include "core/clock.h"
#include "oauth/provider.h"

namespace av::cmd {

using Json = nlohmann::ordered_json;

std::string provider_title(const vault::OauthClient& client) {
  if (const oauth::Provider* const provider = oauth::find_provider(client.provider)) {
    return provider->title;
  }
  return client.issuer.empty() ? client.token_url : client.issuer;
}

std::string show_expiry(std::int64_t expires_ms, std::int64_t now_ms) {
  if (expires_ms == 0) {
    return "not said";
  }
  const std::int64_t left_s = (expires_ms - now_ms) / 1000;
  if (left_s <= 0) {
    return "ended";
  }
  if (left_s < 120) {
    return "in " + std::to_string(left_s) + " s";
  }
  if (left_s < 2 * 3600) {
    return "in " + std::to_string(left_s / 60) + " min";
  }
  return left_s < 2 * 86'400 ? "in " + std::to_string(left_s / 3600) + " h"
                             : "in " + std::to_string(left_s / 86'400) + " d";
}

Json time_or_null(std::int64_t wall_ms) {
  return wall_ms == 0 ? Json() : Json(format_utc(wall_ms));
}

Json oauth_json(const store::Store::OauthInfo& info, std::int64_t now_ms) {
  const vault::OauthStatus& status = info.status;
  Json json = {{"key", info.key},
               {"vault", info.vault},
               {"state", vault::state_word(status, now_ms)},
               {"flow", vault::to_string(status.client.flow)},
               {"provider", status.client.provider},
               {"token_url", status.client.token_url},
               {"client_id", status.client.client_id},
               {"scopes", status.granted_scopes},
               {"expires", time_or_null(status.expires_ms)},
               {"has_refresh_token", status.has_refresh_token},
               {"connected", time_or_null(status.connected_ms)},
               {"refreshed", time_or_null(status.refreshed_ms)},
               {"failures", status.failures},
               {"last_error", status.last_error}};
  if (status.failures > 0) {
    json["next_attempt"] = time_or_null(status.retry_ms);
  }
  return json;
}

}  // namespace av::cmd
