#pragma once
// How a response goes to the client: its rebuilt and scrubbed head, the framing of its body, and
// whether a content coding has to be taken off so that the body can be searched.

#include <string>
#include <string_view>

#include "proxy/content_decoder.h"
#include "proxy/head.h"
#include "proxy/pattern_set.h"

namespace av::proxy {

struct ResponsePlan {
  std::string head;      // complete, the empty line included
  bool refused = false;  // the body cannot be searched: nothing of this response may pass
  CodingList decode;     // content codings that come off
  bool chunked = false;  // towards the client
  bool client_keep_alive = false;
};

// `patterns` null or empty: nothing was injected, nothing is changed but framing.
[[nodiscard]] ResponsePlan plan_response(const ResponseHead& response, const RequestHead& request,
                                         const PatternSet* patterns, bool draining);

// A 1xx response as it is passed on.
[[nodiscard]] std::string interim_response(const ResponseHead& response,
                                           const PatternSet* patterns);

// Body bytes in the plan's framing, appended to `out`.
void append_body(std::string& out, std::string_view bytes, const ResponsePlan& plan);
// The end of the body; scrubbed trailers with chunked framing. False: malformed trailers.
[[nodiscard]] bool append_body_end(std::string& out, std::string_view trailers,
                                   const PatternSet* patterns, const ResponsePlan& plan);

}  // namespace av::proxy
