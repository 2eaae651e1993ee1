#include "source/provider.h"

#include <algorithm>

namespace av::source {
namespace {

constexpr std::size_t kMostExcerpt = 160;

}  // namespace

Result<Lease> Provider::renew(const Lease& lease) {
  (void)lease;
  return failure(Failure::Why::kInvalid, "this store has no leases");
}

Result<void> Provider::revoke(const Lease& lease) {
  (void)lease;
  return failure(Failure::Why::kInvalid, "this store has no leases");
}

Result<std::vector<Listed>> Provider::list(const std::string& reference) {
  (void)reference;
  return failure(Failure::Why::kInvalid, "this kind of store cannot list what it has");
}

Failure failure(Failure::Why why, std::string message, std::string hint) {
  Failure out;
  out.why = why;
  out.message = std::move(message);
  out.hint = std::move(hint);
  return out;
}

std::string excerpt(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (out.size() == kMostExcerpt) {
      return out + "...";
    }
    if (c > ' ' && c <= '~') {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') {
    out.pop_back();
  }
  return out;
}

Result<const Secret*> field_of(const Record& record, std::string_view field) {
  const auto found = find_field(record.fields, field);
  if (found != record.fields.end()) {
    return &found->second;
  }
  return no_such_field(record.fields, field);
}

}  // namespace av::source
