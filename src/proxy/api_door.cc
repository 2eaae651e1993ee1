#include "proxy/api_door.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>
#include <utility>

#include "core/ascii.h"
#include "proxy/authenticator.h"
#include "proxy/held_body.h"
#include "proxy/late_answer.h"
#include "proxy/net_guard.h"
#include "proxy/refusals.h"

namespace av::proxy {
namespace {

constexpr Millis kBodyStall{15'000};
constexpr Millis kBodyTotal{60'000};
constexpr Millis kAnswer{60'000};
constexpr Millis kLookAtClient{1'000};
constexpr std::size_t kMaxToken = 512;
constexpr std::string_view kCookie = "av_session=";
constexpr std::string_view kFlowCookie = "av_flow=";
// Over TLS: no other host can set one of this name (RFC 6265bis section 4.1.3.2).
constexpr std::string_view kSecureFlowCookie = "__Host-av_flow=";

// Bytes of bodies that are held for the API, of the worker's total.
class Held {
 public:
  explicit Held(std::size_t& total) : total_(total) {}
  ~Held() { total_ -= mine_; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  [[nodiscard]] bool take(std::size_t bytes) {
    mine_ += bytes;
    total_ += bytes;
    return total_ <= HeldBody::kMaxTotal;
  }

 private:
  std::size_t& total_;
  std::size_t mine_ = 0;
};

// What the handler says, and whether it knew who asked.
struct Said {
  LocalReply reply;
  bool known = false;
};
using Slot = LateAnswer<Said>;

std::string peer_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return "unknown";
  }
  char text[INET6_ADDRSTRLEN] = "unknown";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    (void)::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    (void)::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  }
  return text;
}

// RFC 6265 section 5.4; the first of that name, which a subdomain cannot get in front of: there are
// none of an address.
Secret cookie_named(std::string_view name, std::string_view value) {
  while (!value.empty()) {
    const std::size_t end = value.find(';');
    std::string_view pair = value.substr(0, end);
    while (!pair.empty() && pair.front() == ' ') {
      pair.remove_prefix(1);
    }
    if (pair.starts_with(name) && pair.size() - name.size() <= kMaxToken) {
      auto token = Secret::copy_of(pair.substr(name.size()));
      return token ? std::move(*token) : Secret();
    }
    value = end == std::string_view::npos ? std::string_view() : value.substr(end + 1);
  }
  return {};
}

ApiRequest describe(const RequestHead& head, const Stream& stream) {
  ApiRequest request;
  request.method = head.method;
  const std::size_t mark = head.target.find('?');
  request.path = head.target.substr(0, mark);
  if (mark != std::string_view::npos) {
    request.query = head.target.substr(mark + 1);
  }
  for (const Field& field : head.fields) {
    if (iequals(field.name, "authorization")) {
      request.bearer = shown_token(field.value);
      request.vault = shown_vault(field.value).vault;
    } else if (iequals(field.name, "cookie")) {
      if (request.cookie.empty()) {
        request.cookie = cookie_named(kCookie, field.value);
      }
      if (request.flow_cookie.empty()) {
        request.flow_cookie =
            cookie_named(stream.is_tls() ? kSecureFlowCookie : kFlowCookie, field.value);
      }
    } else if (!iequals(field.name, "proxy-authorization")) {
      request.fields.emplace_back(ascii::lower(field.name), field.value);
    }
  }
  request.peer = peer_of(stream.descriptor());
  request.secure = stream.is_tls();
  return request;
}

Fault api_fault(int status, std::string_view code, std::string message, std::string help = {}) {
  Fault fault;
  fault.status = status;
  fault.code = code;
  fault.message = std::move(message);
  fault.help = std::move(help);
  fault.transient = status == 503 || status == 504;
  return fault;
}

ApiOutcome refusal(const Fault& fault, bool reusable) {
  ApiOutcome out;
  out.reply = fault_reply(fault);
  out.reusable = reusable;
  return out;
}

// Into `body`; or the reason why not.
Awaitable<std::optional<Fault>> read_body(Worker& worker, Stream& stream, ReadBuffer& buffer,
                                          const RequestHead& head, SecretBuffer& body, Held& held) {
  if (head.body == BodyKind::kLength && head.content_length > ApiRequest::kMaxBody) {
    co_return api_fault(413, "body_too_large", "a request to the API may have 1 MiB");
  }
  if (head.expect_continue && head.body != BodyKind::kNone) {
    const Io io = co_await stream.write_all("HTTP/1.1 100 Continue\r\n\r\n", kBodyStall);
    if (io != Io::kOk) {
      co_return api_fault(408, "request_timeout", "the connection broke");
    }
  }
  BodyReader reader(stream, buffer, head.body, head.content_length);
  const auto give_up = worker.clock.steady() + kBodyTotal;
  Turns turns(worker.io.get_executor());
  while (!reader.ended()) {
    co_await turns.take();
    const BodySource::Piece piece = co_await reader.next(kBodyStall);
    if (piece.state == BodySource::State::kMalformed) {
      co_return api_fault(400, "bad_request", "the request body has malformed framing");
    }
    if (piece.state == BodySource::State::kBroken || worker.clock.steady() >= give_up) {
      co_return api_fault(408, "request_timeout", "the request body did not arrive in time");
    }
    if (body.size() + piece.data.size() > ApiRequest::kMaxBody) {
      co_return api_fault(413, "body_too_large", "a request to the API may have 1 MiB");
    }
    if (!held.take(piece.data.size())) {
      co_return api_fault(503, "busy", "too many requests are on their way");
    }
    body.append(std::string_view(piece.data.data(), piece.data.size()));
  }
  co_return std::nullopt;
}

}  // namespace

Awaitable<ApiOutcome> serve_api(Worker& worker, Stream& stream, ReadBuffer& buffer,
                                const RequestHead& head, bool at_proxy,
                                std::shared_ptr<const vault::Principal> run) {
  ApiRequest request = describe(head, stream);
  request.run = std::move(run);
  request.at_proxy = at_proxy;
  const Field* const credentials = head.find("authorization");
  if (request.run == nullptr && credentials != nullptr &&
      shown_vault(credentials->value).malformed_vault) {
    const Fault fault = malformed_vault();
    co_return refusal(fault, false);
  }
  Held held(worker.state.held_bytes);
  const std::optional<Fault> broken =
      co_await read_body(worker, stream, buffer, head, request.body, held);
  if (broken) {
    co_return refusal(*broken, false);
  }
  const auto slot = std::make_shared<Slot>(worker.io.get_executor());
  Slot::Waiting waiting(*slot);
  ApiHandler::Answer answer = [slot](LocalReply reply, bool known) {
    Slot::tell(slot, Said{std::move(reply), known});
  };
  ApiHandler::Gone gone = [slot] { return slot->over(); };
  worker.options.api->handle(std::move(request), std::move(answer), std::move(gone));
  const auto give_up = worker.clock.steady() + kAnswer;
  while (!waiting.value() && worker.clock.steady() < give_up) {
    (void)co_await waiting.wait(kLookAtClient);
    if (!waiting.value() && stream.peer_silent()) {
      break;
    }
  }
  if (!waiting.value()) {
    const Fault late = api_fault(504, "api_timeout", "the broker did not answer in time");
    co_return refusal(late, false);
  }
  ApiOutcome out;
  out.reply = std::move(waiting.value()->reply);
  out.reusable = true;
  out.known = waiting.value()->known;
  co_return out;
}

}  // namespace av::proxy
