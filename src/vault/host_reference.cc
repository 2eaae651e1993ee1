#include "vault/host_reference.h"

#include "core/ascii.h"
#include "vault/canonical.h"

namespace av::vault {

bool names_host(std::string_view reference) {
  return reference.find(kHostPart) != std::string_view::npos;
}

Status check_host_part(std::string_view reference) {
  const std::size_t at = reference.find(kHostPart);
  const std::size_t end = at == std::string_view::npos ? at : at + kHostPart.size();
  const auto wrong = [](std::string message) {
    return make_error(ErrorCode::kInvalid, std::move(message),
                      "write it between slashes: bw://domain/{host}, op://Agents/{host}/token");
  };
  if (at == std::string_view::npos || reference.find(kHostPart, end) != std::string_view::npos) {
    return wrong("a reference for any host has {host} in it once");
  }
  const std::size_t tail = reference.find_first_of("?#");
  const bool begins = at > 0 && reference[at - 1] == '/';
  const bool ends = end == reference.size() || reference[end] == '/' || end == tail;
  if (!begins || !ends || (tail != std::string_view::npos && tail < at)) {
    return wrong("{host} stands for a whole part of the path in a reference");
  }
  return {};
}

bool fills_reference(std::string_view host) {
  const auto canonical = canonical_host(host);
  return canonical && *canonical == host && host.find('.') != std::string_view::npos &&
         host.front() != '[' && !ascii::is_digit(host.back());
}

std::string fill_host(std::string_view text, std::string_view host) {
  if (!fills_reference(host)) {
    return {};
  }
  std::string out;
  for (;;) {
    const std::size_t at = text.find(kHostPart);
    out += text.substr(0, at);
    if (at == std::string_view::npos) {
      return out;
    }
    out += host;
    text.remove_prefix(at + kHostPart.size());
  }
}

}  // namespace av::vault
