#include "cmd/source_http.h"

#include <mutex>
#include <utility>
#include <vector>

#include "core/ascii.h"
#include "proxy/broker_client.h"
#include "proxy/head.h"
#include "vault/store_settings.h"

namespace av::cmd {
namespace {

using source::Failure;

constexpr Millis kConnect{5'000};
constexpr Millis kAnswer{10'000};

Failure failure_of(const proxy::Fault& fault) {
  const std::string_view code = fault.code;
  Failure::Why why = Failure::Why::kUnreachable;
  std::string hint;
  if (code.ends_with("_timeout")) {
    why = Failure::Why::kTimeout;
  } else if (code == "upstream_protocol" || code == "bad_request") {
    why = Failure::Why::kMalformed;
  } else if (fault.status == 403) {
    why = Failure::Why::kRefused;
    hint = kAllowNetHint;
  } else if (code.starts_with("upstream_certificate")) {
    hint = kCaHint;
  }
  return source::failure(why, fault.message, std::move(hint));
}

class SourceHttp final : public source::Http {
 public:
  SourceHttp(proxy::BrokerClient::Options options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  source::Result<source::HttpAnswer> send(const source::HttpRequest& request) override {
    std::unique_ptr<proxy::BrokerClient> client = take();
    proxy::BrokerClient::Request out;
    out.method = request.method;
    out.url = request.url;
    out.fields.append(request.fields.view());
    out.body.append(request.body.view());
    auto answer = client->send(out);
    if (!answer) {
      return failure_of(answer.error());
    }
    source::HttpAnswer in;
    in.status = answer->status;
    for (const proxy::Field& field : answer->fields) {
      if (proxy::iequals(field.name, "content-type")) {
        in.content_type = field.value;
      } else if (proxy::iequals(field.name, "retry-after")) {
        in.retry_after = field.value;
      }
    }
    auto body = answer->body.to_secret();
    if (!body) {
      return source::failure(Failure::Why::kUnreachable, body.error().message);
    }
    in.body = std::move(*body);
    give_back(std::move(client));
    return in;
  }

 private:
  // Making one reads the system's roots: they are kept, one for each thread that ever asked at a
  // time with others.
  std::unique_ptr<proxy::BrokerClient> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto out = std::move(free_.back());
        free_.pop_back();
        return out;
      }
    }
    return std::make_unique<proxy::BrokerClient>(options_, clock_);
  }
  void give_back(std::unique_ptr<proxy::BrokerClient> client) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(client));
  }

  proxy::BrokerClient::Options options_;
  const Clock& clock_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<proxy::BrokerClient>> free_;  // guarded by mutex_
};

}  // namespace

Expected<proxy::NetOptions> store_net(const vault::StoreSettings& settings, proxy::NetOptions net) {
  if (const auto nets = settings.find(vault::kAllowNetSetting); nets != settings.end()) {
    for (const std::string_view word : ascii::words(nets->second, " ,")) {
      AV_TRY(const proxy::Cidr cidr, proxy::parse_cidr(word));
      net.allow_net.push_back(cidr);
    }
  }
  return net;
}

std::unique_ptr<source::Http> make_source_http(const vault::StoreSettings& settings,
                                               proxy::NetOptions net, const Clock& clock) {
  proxy::BrokerClient::Options options;
  options.connect.net = std::move(net);
  options.connect.connect_timeout = kConnect;
  options.answer = kAnswer;
  options.most_body = source::kMostBody;
  if (const auto ca = settings.find(vault::kCaSetting); ca != settings.end()) {
    options.ca_pem = ca->second;
  }
  return std::make_unique<SourceHttp>(std::move(options), clock);
}

}  // namespace av::cmd
