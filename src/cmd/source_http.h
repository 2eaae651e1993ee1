#pragma once
// SourceHttp: the Http of src/source over the broker's own client. Straight to the store: the
// proxy of the environment is for the agent's traffic.

#include <memory>
#include <string_view>

#include "core/clock.h"
#include "proxy/net_guard.h"
#include "source/ports.h"
#include "vault/external.h"

namespace av::cmd {

// What to do about an address and a certificate that are refused.
inline constexpr std::string_view kAllowNetHint =
    "if that is where it is: pair it again with --set allow_net=ADDRESS/32";
inline constexpr std::string_view kCaHint =
    "for a CA of its own: pair it again with --set-file ca=FILE";

// `net`, which is what --resolve and --allow-net say, with what the store's own settings add.
// kInvalid for a setting that is wrong.
[[nodiscard]] Expected<proxy::NetOptions> store_net(const vault::StoreSettings& settings,
                                                    proxy::NetOptions net);

// `clock` must outlive it.
[[nodiscard]] std::unique_ptr<source::Http> make_source_http(const vault::StoreSettings& settings,
                                                             proxy::NetOptions net,
                                                             const Clock& clock);

}  // namespace av::cmd
