#pragma once
// source::Dialer over proxy::BrokerStream: the connections of external stores that are no HTTP.

#include <memory>
#include <string>

#include "core/clock.h"
#include "proxy/connector.h"
#include "source/byte_stream.h"

namespace av::cmd {

// `ca_pem`: roots beside the system's. `clock` must outlive it and what it connects.
[[nodiscard]] std::unique_ptr<source::Dialer> make_source_dialer(proxy::ConnectorOptions options,
                                                                 std::string ca_pem,
                                                                 const Clock& clock);

}  // namespace av::cmd
