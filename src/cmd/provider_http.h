#pragma once
// ProviderHttp: the HttpPort of src/oauth over the broker's own client: addresses are checked and
// the user's own proxy is used as for every upstream.

#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "oauth/http_port.h"
#include "proxy/broker_client.h"

namespace av::cmd {

// What of the options of `run` and `serve` says where traffic may go.
struct Reach {
  proxy::NetOptions net;
  std::vector<std::string> upstream_ca;
  std::shared_ptr<const proxy::EgressOptions> egress;
};

// `clock` must outlive it. Belongs to one thread.
[[nodiscard]] std::unique_ptr<oauth::HttpPort> make_provider_http(const Reach& reach,
                                                                  const Clock& clock);

}  // namespace av::cmd
