// Any text as a placeholder shape, a header template, a variable name and a host pattern: the small
// texts inside a service.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "vault/placeholder.h"
#include "vault/service.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace av::vault;
  const std::string text(reinterpret_cast<const char*>(data), size);

  const std::string made = make_placeholder(text);
  require(made.size() >= 16);
  if (check_placeholder_shape(text)) {
    require(made != make_placeholder(text));
    require(std::all_of(made.begin(), made.end(), [](char c) { return c > ' ' && c < 0x7f; }));
  }

  if (const auto header = parse_header_template("X-Test", text)) {
    std::string rest = text;  // the pieces cover the text in order
    for (const TemplatePiece& piece : header->pieces) {
      require(piece.text.empty() != piece.credential_key.empty());
      const std::string& part = piece.text.empty() ? piece.credential_key : piece.text;
      const std::size_t at = rest.find(part);
      require(at != std::string::npos);
      rest.erase(0, at + part.size());
    }
  }

  Service service;
  service.name = "fuzz";
  service.host = "api.example.com";
  service.auth = BearerAuth{"TOKEN"};
  service.env[text] = "TOKEN";
  service.substitutions = {Substitution{"TOKEN", text}};
  (void)check_service(service);

  if (set_matcher_text(service, text)) {
    Service again = service;
    require(set_matcher_text(again, service.matcher_text()).has_value());
    require(again.matcher_text() == service.matcher_text());
  }
  return 0;
}
