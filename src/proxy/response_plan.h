#pragma once
// How a response goes to the client: its rebuilt and scrubbed head, whether its length is still
// known, and whether a content coding has to be taken off so that the body can be searched. Says
// nothing about a protocol; the downstreams do.

#include <string>
#include <string_view>
#include <vector>

#include "proxy/content_decoder.h"
#include "proxy/head.h"
#include "proxy/head_text.h"
#include "proxy/pattern_set.h"
#include "proxy/prefixed_messages.h"
#include "vault/service.h"

namespace av::proxy {

struct ResponsePlan {
  int status = 0;
  std::string reason;  // scrubbed; HTTP/2 has none
  HeadText fields;     // end-to-end fields only
  // kChunked: the length is not known; kUntilClose: the end of the upstream's connection is the end
  // of the body, and whether to trust it stays the client's to judge (RFC 9112 section 9.8).
  BodyKind body = BodyKind::kNone;
  bool refused = false;  // the body cannot be searched: nothing of this response may pass
  Messages messages = Messages::kNone;
  CodingList decode;  // content codings that come off
};

// `patterns` null or empty: nothing was injected, nothing is changed but framing. `service` null:
// the host has none.
[[nodiscard]] ResponsePlan plan_response(const ResponseHead& response, const PatternSet* patterns,
                                         const vault::Service* service);
// A 1xx response.
[[nodiscard]] ResponsePlan plan_interim(const ResponseHead& response, const PatternSet* patterns);
// Trailers as they are passed on.
[[nodiscard]] HeadText scrubbed_trailers(const std::vector<Field>& fields,
                                         const PatternSet* patterns);

}  // namespace av::proxy
