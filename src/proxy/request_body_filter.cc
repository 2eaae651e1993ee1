#include "proxy/request_body_filter.h"

#include <algorithm>

#include "core/ascii.h"

namespace av::proxy {
namespace {

std::string_view content_type(const RequestHead& head) {
  const Field* const field = head.find("content-type");
  return field == nullptr ? std::string_view() : field->value;
}

bool is_coded(const RequestHead& head) {
  return std::any_of(head.fields.begin(), head.fields.end(), [](const Field& field) {
    return iequals(field.name, "content-encoding") && !field.value.empty() &&
           !iequals(field.value, "identity");
  });
}

// Messages that carry their own lengths: a longer value would break them.
bool is_length_framed(std::string_view type) {
  return ascii::lower(type.substr(0, 16)) == "application/grpc";
}

Fault uninspectable(const vault::Service& service) {
  Fault fault;
  fault.status = 415;
  fault.code = "body_uninspectable";
  fault.message = "the service " + service.name +
                  " substitutes placeholders in bodies, and this body has a content coding or "
                  "messages with their own lengths";
  fault.help = "send it without Content-Encoding, or take \"body\" out of the substitutions of " +
               service.name;
  return fault;
}

}  // namespace

RequestBodyFilter::RequestBodyFilter(PlaceholderGuard& guard, const ResolvedCredential* values,
                                     const RequestHead& head)
    : guard_(guard),
      stream_(guard, values, vault::Surface::kBody),
      form_(value_form(content_type(head))),
      active_(head.body != BodyKind::kNone && !stream_.idle()) {
  stream_.begin(form_);
  if (!active_) {
    return;
  }
  const bool coded = is_coded(head);
  if (stream_.substitutes() && (coded || is_length_framed(content_type(head)))) {
    uncodable_ = true;
    fault_ = uninspectable(*guard.service());
  } else if (coded) {
    active_ = false;
  }
}

RequestBodyFilter::Whole RequestBodyFilter::render_whole(std::string_view body, SecretBuffer& out) {
  const PlaceholderGuard::Counts before = guard_.counts();
  out.clear();
  supply(body, /*end=*/true);
  for (std::string_view piece = next(); !piece.empty(); piece = next()) {
    if (out.size() + piece.size() > kMaxRendered) {
      guard_.restore(before);
      stream_.begin(form_);
      out.clear();
      return Whole::kStream;
    }
    out.append(piece);
  }
  return status() == Status::kOk ? Whole::kDone : Whole::kFailed;
}

void RequestBodyFilter::supply(std::string_view data, bool end) {
  stream_.supply(data, end);
}

std::string_view RequestBodyFilter::next() {
  return uncodable_ ? std::string_view() : stream_.next();
}

void RequestBodyFilter::check(std::span<const Field> trailers) {
  auto checked = guard_.check_trailers(trailers);
  if (!checked && status() == Status::kOk) {
    bad_trailers_ = true;
    fault_ = std::move(checked.error());
  }
}

RequestBodyFilter::Status RequestBodyFilter::status() const {
  if (uncodable_) {
    return Status::kUncodable;
  }
  if (bad_trailers_) {
    return Status::kMisuse;
  }
  switch (stream_.status()) {
    case PlaceholderStream::Status::kOk:
      return Status::kOk;
    case PlaceholderStream::Status::kMisuse:
      return Status::kMisuse;
    case PlaceholderStream::Status::kTooMany:
      return Status::kTooMany;
  }
  return Status::kOk;
}

const Fault& RequestBodyFilter::fault() const {
  return uncodable_ || bad_trailers_ ? fault_ : stream_.fault();
}

}  // namespace av::proxy
