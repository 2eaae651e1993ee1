#pragma once
// How an OAuth credential is shown at the terminal.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "store/store.h"

namespace av::cmd {

[[nodiscard]] std::string provider_title(const vault::OauthClient& client);
// In words: "in 55 min", "ended", "not said".
[[nodiscard]] std::string show_expiry(std::int64_t expires_ms, std::int64_t now_ms);
[[nodiscard]] nlohmann::ordered_json time_or_null(std::int64_t wall_ms);
[[nodiscard]] nlohmann::ordered_json oauth_json(const store::Store::OauthInfo& info,
                                                std::int64_t now_ms);

}  // namespace av::cmd
