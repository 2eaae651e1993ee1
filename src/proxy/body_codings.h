#pragma once
// What the fields of a head, of a request or of a response, say about how its body is coded.

#include <optional>
#include <vector>

#include "proxy/content_decoder.h"
#include "proxy/head.h"

namespace av::proxy {

// The body's codings, over all fields (RFC 9110 section 5.3); none: not all can be taken off.
[[nodiscard]] std::optional<CodingList> content_codings(const std::vector<Field>& fields);

// The messages inside the body are compressed one by one (gRPC, Connect).
[[nodiscard]] bool has_coded_messages(const std::vector<Field>& fields);

}  // namespace av::proxy
