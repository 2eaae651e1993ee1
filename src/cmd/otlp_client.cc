#include "cmd/otlp_client.h"

#include <algorithm>

#include "proxy/head.h"

namespace av::cmd {

Expected<CollectorUrl> parse_collector_url(std::string_view text, bool add_path) {
  constexpr std::string_view kLogsPath = "/v1/logs";
  AV_TRY(CollectorUrl url, parse_http_url(text, "a collector"));
  if (add_path && !url.path.ends_with(kLogsPath)) {
    while (url.path.ends_with('/')) {
      url.path.pop_back();
    }
    url.path += kLogsPath;
  }
  return url;
}

Status append_headers(SecretBuffer& out, std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty() || line.front() == '#') {
      continue;
    }
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, std::min(colon, line.size()));
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    });
    // Those that this client writes itself.
    const bool ours = proxy::iequals(name, "Host") || proxy::iequals(name, "Content-Length") ||
                      proxy::iequals(name, "Content-Type") || proxy::iequals(name, "Connection") ||
                      proxy::iequals(name, "Transfer-Encoding");
    if (!proxy::is_token(name) || value.empty() || !plain || ours) {
      return make_error(ErrorCode::kInvalid, "a header is not like 'Name: value'",
                        "one to a line; Host, Connection and those of the content are not yours");
    }
    out.append(name);
    out.append(": ");
    out.append(value);
    out.append("\r\n");
  }
  return {};
}

Expected<OtlpClient> OtlpClient::create(CollectorUrl url, SecretBuffer headers,
                                        const std::string& ca_file) {
  HttpPeer peer;
  peer.url = std::move(url);
  peer.name = "the collector";
  peer.hint = "check the URL, and that it listens for OTLP over HTTP";
  peer.roots_hint =
      "OTEL_EXPORTER_OTLP_CERTIFICATE names a PEM file with the roots that it is under";
  AV_TRY(HttpClient http,
         HttpClient::create(std::move(peer), std::move(headers),
                            ca_file.empty() ? std::vector<std::string>() : std::vector{ca_file}));
  return OtlpClient(std::move(http));
}

}  // namespace av::cmd
