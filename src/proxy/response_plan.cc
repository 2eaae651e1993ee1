#include "proxy/response_plan.h"

#include <algorithm>
#include <optional>
#include <span>

#include "proxy/body_codings.h"

namespace av::proxy {
namespace {

bool searches(const PatternSet* patterns) {
  return patterns != nullptr && !patterns->empty();
}

// Adds a field of the upstream's with every form of an injected value masked.
void add_scrubbed(HeadText& out, const Field& field, const PatternSet* patterns) {
  if (!searches(patterns)) {
    out.add(field.name, field.value);
    return;
  }
  if (is_digest_field(field.name)) {
    // Not true of a body in which something was masked, and whether that happens nobody knows
    // before its end. Made with a short value in the body, it would even serve to check guesses.
    return;
  }
  std::string name(field.name);
  if (patterns->scrub(std::span(name), /*last=*/true).hits != 0) {
    return;  // a masked name is no name
  }
  SecretBuffer& text = out.begin(field.name);
  const std::size_t begin = text.size();
  text.append(field.value);
  (void)patterns->scrub(std::span(text.data() + begin, field.value.size()), /*last=*/true);
  out.end();
}

std::string scrubbed_reason(std::string_view reason, const PatternSet* patterns) {
  std::string out(reason);
  if (searches(patterns)) {
    (void)patterns->scrub(std::span(out), /*last=*/true);
  }
  return out;
}

// Some answer so with another status than 206.
bool is_partial(const ResponseHead& response) {
  static constexpr std::string_view kRanges = "multipart/byteranges";
  const Field* const type = response.find("content-type");
  return response.status == 206 || response.find("content-range") != nullptr ||
         (type != nullptr && iequals(type->value.substr(0, kRanges.size()), kRanges));
}

// Fields that describe the bytes before they were decoded.
bool describes_coded_bytes(std::string_view name) {
  return iequals(name, "content-encoding") || iequals(name, "content-length");
}

}  // namespace

ResponsePlan plan_response(const ResponseHead& response, const PatternSet* patterns,
                           const vault::Service* service) {
  ResponsePlan plan;
  plan.status = response.status;
  plan.reason = scrubbed_reason(response.reason, patterns);
  const bool has_body = response.body != BodyKind::kNone;
  const bool insist = service == nullptr || !service->allow_uninspected;
  if (searches(patterns) && has_body) {
    const std::optional<CodingList> codings = content_codings(response.fields);
    plan.decode = codings.value_or(CodingList());
    // A range was not asked for (injector): a part of a body may hold a part of a value.
    plan.refused =
        insist && (!codings || is_partial(response) || has_coded_messages(response.fields));
    const Field* const type = response.find("content-type");
    if (type != nullptr && has_prefixed_messages(type->value)) {
      plan.messages = insist ? Messages::kPrefixedPlain : Messages::kPrefixed;
    }
  }
  if (searches(patterns) && response.status == 101) {
    // Extensions were not offered (injector): compressed frames could not be searched.
    plan.refused = insist && response.find("sec-websocket-extensions") != nullptr;
  }
  const bool length_known = response.body == BodyKind::kLength && !plan.decode;
  plan.body = !has_body || length_known || response.body == BodyKind::kUntilClose
                  ? response.body
                  : BodyKind::kChunked;

  plan.fields.reserve(response.storage.size() + 64);
  for (const Field& field : response.fields) {
    // Content-Length frames the body that follows, whatever Connection says about it.
    const bool is_length = iequals(field.name, "content-length");
    const bool drop = (!is_length && response.is_hop_by_hop(field.name)) ||
                      // Would lead the client around the proxy (RFC 7838).
                      iequals(field.name, "alt-svc") ||
                      (plan.decode && describes_coded_bytes(field.name)) ||
                      (service != nullptr && service->drop_cookies &&
                       (iequals(field.name, "set-cookie") || iequals(field.name, "set-cookie2"))) ||
                      // RFC 9110 section 8.6: no length where there can be no body.
                      ((response.status == 204 || response.status == 101) && is_length);
    if (!drop) {
      add_scrubbed(plan.fields, field, patterns);
    }
  }
  return plan;
}

ResponsePlan plan_interim(const ResponseHead& response, const PatternSet* patterns) {
  ResponsePlan plan;
  plan.status = response.status;
  plan.reason = scrubbed_reason(response.reason, patterns);
  for (const Field& field : response.fields) {
    if (!response.is_hop_by_hop(field.name) && !iequals(field.name, "content-length") &&
        !iequals(field.name, "alt-svc")) {
      add_scrubbed(plan.fields, field, patterns);
    }
  }
  return plan;
}

HeadText scrubbed_trailers(const std::vector<Field>& fields, const PatternSet* patterns) {
  HeadText out;
  for (const Field& field : fields) {
    add_scrubbed(out, field, patterns);
  }
  return out;
}

}  // namespace av::proxy
