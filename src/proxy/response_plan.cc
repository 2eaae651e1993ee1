#include "proxy/response_plan.h"

#include <optional>

#include "proxy/body.h"
#include "proxy/http1_parser.h"

namespace av::proxy {
namespace {

// Appends text of the upstream's with every form of an injected value masked; how many there were.
std::size_t append_scrubbed(std::string& out, std::string_view text, const PatternSet* patterns) {
  const std::size_t begin = out.size();
  out += text;
  if (patterns == nullptr || patterns->empty()) {
    return 0;
  }
  return patterns->scrub(std::span(out.data() + begin, text.size()), /*last=*/true).hits;
}

void append_field(std::string& out, const Field& field, const PatternSet* patterns) {
  const std::size_t begin = out.size();
  if (append_scrubbed(out, field.name, patterns) != 0) {
    out.resize(begin);  // a masked name is no name
    return;
  }
  out += ": ";
  (void)append_scrubbed(out, field.value, patterns);
  out += "\r\n";
}

void append_status_line(std::string& out, const ResponseHead& response,
                        const PatternSet* patterns) {
  out += "HTTP/1.1 ";
  out += std::to_string(response.status);
  out += ' ';
  (void)append_scrubbed(out, response.reason, patterns);
  out += "\r\n";
}

// The body's codings, over all fields (RFC 9110 section 5.3); none: not all can be taken off.
std::optional<CodingList> content_coding(const ResponseHead& response) {
  std::optional<CodingList> codings = CodingList();
  for (const Field& field : response.fields) {
    if (codings && iequals(field.name, "content-encoding")) {
      codings = parse_content_encoding(field.value, *codings);
    }
  }
  return codings;
}

// Fields that describe the bytes before they were decoded.
bool describes_coded_bytes(std::string_view name) {
  return iequals(name, "content-encoding") || iequals(name, "content-length") ||
         iequals(name, "content-md5") || iequals(name, "digest") || iequals(name, "content-digest");
}

}  // namespace

ResponsePlan plan_response(const ResponseHead& response, const RequestHead& request,
                           const PatternSet* patterns, bool draining) {
  ResponsePlan plan;
  const bool has_body = response.body != BodyKind::kNone;
  const bool search = patterns != nullptr && !patterns->empty();
  if (search && has_body) {
    const std::optional<CodingList> codings = content_coding(response);
    plan.decode = codings.value_or(CodingList());
    // A range was not asked for (injector): a part of a body may hold a part of a value.
    plan.refused = !codings || response.status == 206;
  }
  if (search && response.status == 101) {
    // Extensions were not offered (injector): compressed frames could not be searched.
    plan.refused = response.find("sec-websocket-extensions") != nullptr;
  }
  const bool length_known = response.body == BodyKind::kLength && !plan.decode;
  // A body that ends with the upstream's connection ends with the client's: whether that end is to
  // be trusted (close_notify or not) stays the client's to judge (RFC 9112 section 9.8).
  plan.chunked = has_body && !length_known && response.body != BodyKind::kUntilClose &&
                 request.minor_version == 1;
  const bool close_delimited = has_body && !length_known && !plan.chunked;
  plan.client_keep_alive = request.keep_alive && !close_delimited && !draining;

  plan.head.reserve(response.storage.size() + 64);
  append_status_line(plan.head, response, patterns);
  for (const Field& field : response.fields) {
    // Content-Length frames the body that follows, whatever Connection says about it.
    const bool is_length = iequals(field.name, "content-length");
    const bool drop = (!is_length && response.is_hop_by_hop(field.name)) ||
                      // Would lead the client around the proxy (RFC 7838).
                      iequals(field.name, "alt-svc") ||
                      (plan.decode && describes_coded_bytes(field.name)) ||
                      // RFC 9110 section 8.6: no length where there can be no body.
                      ((response.status == 204 || response.status == 101) && is_length);
    if (!drop) {
      append_field(plan.head, field, patterns);
    }
  }
  if (plan.chunked) {
    plan.head += "Transfer-Encoding: chunked\r\n";
  }
  if (response.status == 101) {
    plan.head += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  } else if (!plan.client_keep_alive) {
    plan.head += "Connection: close\r\n";
  } else if (request.minor_version == 0) {
    plan.head += "Connection: keep-alive\r\n";
  }
  plan.head += "\r\n";
  return plan;
}

std::string interim_response(const ResponseHead& response, const PatternSet* patterns) {
  std::string out;
  append_status_line(out, response, patterns);
  for (const Field& field : response.fields) {
    if (!response.is_hop_by_hop(field.name) && !iequals(field.name, "content-length") &&
        !iequals(field.name, "alt-svc")) {
      append_field(out, field, patterns);
    }
  }
  out += "\r\n";
  return out;
}

void append_body(std::string& out, std::string_view bytes, const ResponsePlan& plan) {
  if (plan.chunked) {
    append_chunk(out, bytes, /*end=*/false);
  } else {
    out += bytes;
  }
}

bool append_body_end(std::string& out, std::string_view trailers, const PatternSet* patterns,
                     const ResponsePlan& plan) {
  std::vector<Field> fields;
  if (!parse_trailers(trailers, fields)) {
    return false;
  }
  if (plan.chunked) {
    std::string section;
    for (const Field& field : fields) {
      append_field(section, field, patterns);
    }
    append_chunk(out, {}, /*end=*/true, section);
  }
  return true;
}

}  // namespace av::proxy
