#include "cmd/provider_http.h"

#include <utility>

#include "proxy/head.h"

namespace av::cmd {
namespace {

Error error_of(const proxy::Fault& fault) {
  const std::string_view code = fault.code;
  ErrorCode kind = ErrorCode::kNetwork;
  if (code == "upstream_protocol" || code == "bad_request") {
    kind = ErrorCode::kInvalid;
  } else if (code.starts_with("upstream_certificate") || code == "trust_store") {
    kind = ErrorCode::kCrypto;
  } else if (fault.status == 403) {
    kind = ErrorCode::kNotPermitted;
  }
  return make_error(kind, fault.message, fault.help);
}

class ProviderHttp final : public oauth::HttpPort {
 public:
  ProviderHttp(proxy::BrokerClient::Options options, const Clock& clock)
      : client_(std::move(options), clock) {}

  Expected<oauth::HttpAnswer> send(const oauth::HttpRequest& request) override {
    proxy::BrokerClient::Request out;
    out.method = request.method;
    out.url = request.url;
    if (!request.accept.empty()) {
      out.fields.append("Accept: " + request.accept + "\r\n");
    }
    if (!request.content_type.empty()) {
      out.fields.append("Content-Type: " + request.content_type + "\r\n");
    }
    if (!request.authorization.empty()) {
      out.fields.append("Authorization: ");
      out.fields.append(request.authorization.view());
      out.fields.append("\r\n");
    }
    out.body.append(request.body.view());
    auto answer = client_.send(out);
    if (!answer) {
      return error_of(answer.error());
    }
    oauth::HttpAnswer in;
    in.status = answer->status;
    for (const proxy::Field& field : answer->fields) {
      if (proxy::iequals(field.name, "content-type")) {
        in.content_type = field.value;
      } else if (proxy::iequals(field.name, "retry-after")) {
        in.retry_after = field.value;
      } else if (proxy::iequals(field.name, "www-authenticate")) {
        in.www_authenticate = field.value;
      }
    }
    AV_TRY(in.body, answer->body.to_secret());
    return in;
  }

 private:
  proxy::BrokerClient client_;
};

}  // namespace

std::unique_ptr<oauth::HttpPort> make_provider_http(const Reach& reach, const Clock& clock) {
  proxy::BrokerClient::Options options;
  options.connect.net = reach.net;
  options.connect.upstream_ca_files = reach.upstream_ca;
  options.connect.egress = reach.egress;
  options.most_body = oauth::kMostBody;
  return std::make_unique<ProviderHttp>(std::move(options), clock);
}

}  // namespace av::cmd
