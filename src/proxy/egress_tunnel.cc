#include "proxy/egress_tunnel.h"

#include <algorithm>
#include <array>

#include "core/encoding.h"
#include "proxy/gateway_fault.h"
#include "proxy/http1_parser.h"

namespace av::proxy {
namespace {

Fault failed(const EgressProxy& proxy, const std::string& what) {
  return gateway_fault("egress_proxy_failed", "the upstream proxy " + proxy.label() + ' ' + what,
                       "check --upstream-proxy, HTTPS_PROXY or the proxy itself", true);
}

Fault no_credentials(const EgressProxy& proxy) {
  return gateway_fault("egress_proxy_auth",
                       "the upstream proxy " + proxy.label() +
                           (proxy.has_credentials() ? " does not take the user and password given"
                                                    : " wants a user and a password"),
                       "the owner of the vault can put them into the proxy's URL, as in "
                       "http://USER:PASSWORD@HOST:PORT",
                       false);
}

Fault refused(const EgressProxy& proxy, const TunnelTarget& target, const std::string& why,
              bool transient) {
  // As Squid is set up, for one.
  const bool odd_port = !transient && target.port != 443;
  return gateway_fault("egress_proxy_refused",
                       "the upstream proxy " + proxy.label() + " does not connect to " +
                           target.to_string() + ": " + why,
                       odd_port ? "many proxies permit tunnels to port 443 only" : "", transient);
}

Fault broken(const EgressProxy& proxy, Io io) {
  if (io == Io::kTimeout) {
    return gateway_fault("egress_proxy_timeout",
                         "the upstream proxy " + proxy.label() + " did not answer in time", {},
                         true);
  }
  return failed(proxy, "closed the connection");
}

Awaitable<Outcome<void>> send(UpstreamConnection& connection, const EgressProxy& proxy,
                              const SecretBuffer& bytes, ConnectBudget budget) {
  const Io io = co_await connection.stream.write_all(bytes.view(), budget.left());
  if (io != Io::kOk) {
    co_return broken(proxy, io);
  }
  co_return Outcome<void>();
}

// -- CONNECT

SecretBuffer connect_head(const EgressProxy& proxy, const TunnelTarget& target) {
  const std::string authority = target.to_string();
  SecretBuffer head;
  head.append("CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n");
  if (proxy.has_credentials()) {
    SecretBuffer pair;
    pair.append(proxy.user());
    pair.push_back(':');
    pair.append(proxy.password());
    head.append("Proxy-Authorization: Basic ");
    encoding::append_base64(head, pair.view());
    head.append("\r\n");
  }
  head.append("\r\n");
  return head;
}

Outcome<void> judge(const ResponseHead& head, const EgressProxy& proxy,
                    const TunnelTarget& target) {
  // RFC 9110 section 9.3.6: "Any 2xx (Successful) response indicates that the sender ... will
  // switch to tunnel mode".
  if (head.status >= 200 && head.status < 300) {
    return {};
  }
  if (head.status == 407) {
    return no_credentials(proxy);
  }
  if (head.status < 400) {
    return failed(proxy, "answered CONNECT with " + std::to_string(head.status));
  }
  // The reason phrase is the proxy's text, and not passed on.
  return refused(proxy, target, "it answered " + std::to_string(head.status),
                 /*transient=*/head.status >= 500);
}

Awaitable<Outcome<void>> open_by_connect(UpstreamConnection& connection, const EgressProxy& proxy,
                                         const TunnelTarget& target, ConnectBudget budget) {
  const SecretBuffer request = connect_head(proxy, target);
  auto sent = co_await send(connection, proxy, request, budget);
  if (!sent) {
    co_return std::move(sent);
  }
  ReadBuffer& buffer = connection.buffer;
  HeadScanner scanner;
  HeadScanner::State state = HeadScanner::State::kMore;
  while ((state = scanner.scan(buffer.view())) == HeadScanner::State::kMore) {
    if (budget.spent()) {
      co_return broken(proxy, Io::kTimeout);
    }
    const Io io = co_await fill(connection.stream, buffer, budget.left());
    if (io != Io::kOk) {
      co_return broken(proxy, io);
    }
  }
  ResponseHead head;
  if (state != HeadScanner::State::kComplete ||
      parse_response_head(buffer.view().substr(0, scanner.size()), head)) {
    co_return failed(proxy, "sent a malformed answer to CONNECT");
  }
  buffer.consume(scanner.size());
  auto outcome = judge(head, proxy, target);
  // Nobody at the other end has been spoken to yet: whatever follows the head was not sent by them,
  // and would be read as the beginning of their response.
  if (outcome && !buffer.empty()) {
    co_return failed(proxy, "sent bytes behind its answer to CONNECT");
  }
  buffer.release();
  co_return std::move(outcome);
}

// -- SOCKS5

constexpr char kVersion = 5;
constexpr char kNoAuth = 0;
constexpr char kUserPassword = 2;
constexpr char kConnect = 1;
constexpr char kIpv4 = 1;
constexpr char kDomain = 3;
constexpr char kIpv6 = 4;

// Exactly `size` bytes: those behind them belong to TLS.
Awaitable<Outcome<void>> receive(UpstreamConnection& connection, const EgressProxy& proxy,
                                 char* data, std::size_t size, ConnectBudget budget) {
  for (std::size_t got = 0; got < size;) {
    if (budget.spent()) {
      co_return broken(proxy, Io::kTimeout);
    }
    const IoResult result =
        co_await connection.stream.read_some(data + got, size - got, budget.left());
    if (result.status != Io::kOk) {
      co_return broken(proxy, result.status);
    }
    got += result.size;
  }
  co_return Outcome<void>();
}

// RFC 1929.
SecretBuffer password_message(const EgressProxy& proxy) {
  SecretBuffer message;
  message.push_back(1);
  message.push_back(static_cast<char>(proxy.user().size()));
  message.append(proxy.user());
  message.push_back(static_cast<char>(proxy.password().size()));
  message.append(proxy.password());
  return message;
}

SecretBuffer connect_message(const TunnelTarget& target) {
  SecretBuffer message;
  message.push_back(kVersion);
  message.push_back(kConnect);
  message.push_back(0);
  if (target.address) {
    const bool v4 = target.address->is_v4();
    message.push_back(v4 ? kIpv4 : kIpv6);
    const std::string_view bytes(reinterpret_cast<const char*>(target.address->bytes.data()), 16);
    message.append(v4 ? bytes.substr(12) : bytes);
  } else {
    message.push_back(kDomain);
    message.push_back(static_cast<char>(target.host.size()));  // at most 253
    message.append(target.host);
  }
  message.push_back(static_cast<char>(target.port >> 8U));
  message.push_back(static_cast<char>(target.port & 0xffU));
  return message;
}

// RFC 1928 section 6.
Fault reply_fault(const EgressProxy& proxy, const TunnelTarget& target, char reply) {
  switch (reply) {
    case 1:
      return refused(proxy, target, "general failure", true);
    case 2:
      return refused(proxy, target, "its rules forbid it", false);
    case 3:
      return refused(proxy, target, "network unreachable", true);
    case 4:
      return refused(proxy, target, "host unreachable", true);
    case 5:
      return refused(proxy, target, "connection refused", true);
    case 6:
      return refused(proxy, target, "time to live expired", true);
    case 8:
      return refused(proxy, target, "it does not know this kind of address", false);
    default:
      return failed(proxy, "answered with an unknown SOCKS code");
  }
}

Awaitable<Outcome<void>> agree_on_method(UpstreamConnection& connection, const EgressProxy& proxy,
                                         ConnectBudget budget) {
  SecretBuffer greeting;
  greeting.push_back(kVersion);
  greeting.push_back(proxy.has_credentials() ? 2 : 1);
  greeting.push_back(kNoAuth);
  if (proxy.has_credentials()) {
    greeting.push_back(kUserPassword);
  }
  auto done = co_await send(connection, proxy, greeting, budget);
  std::array<char, 2> answer{};
  if (done) {
    done = co_await receive(connection, proxy, answer.data(), answer.size(), budget);
  }
  if (!done) {
    co_return std::move(done);
  }
  if (answer[0] != kVersion) {
    co_return failed(proxy, "does not speak SOCKS5");
  }
  if (answer[1] == kNoAuth) {
    co_return Outcome<void>();
  }
  if (answer[1] != kUserPassword || !proxy.has_credentials()) {
    co_return no_credentials(proxy);
  }
  const SecretBuffer password = password_message(proxy);
  done = co_await send(connection, proxy, password, budget);
  if (done) {
    done = co_await receive(connection, proxy, answer.data(), answer.size(), budget);
  }
  if (done && answer[1] != 0) {
    co_return no_credentials(proxy);
  }
  co_return std::move(done);
}

Awaitable<Outcome<void>> open_by_socks(UpstreamConnection& connection, const EgressProxy& proxy,
                                       const TunnelTarget& target, ConnectBudget budget) {
  auto done = co_await agree_on_method(connection, proxy, budget);
  if (!done) {
    co_return std::move(done);
  }
  const SecretBuffer request = connect_message(target);
  done = co_await send(connection, proxy, request, budget);
  // Version, reply, reserved, kind of the bound address, and its first byte.
  std::array<char, 5> answer{};
  if (done) {
    done = co_await receive(connection, proxy, answer.data(), 2, budget);
  }
  if (!done) {
    co_return std::move(done);
  }
  if (answer[0] != kVersion) {
    co_return failed(proxy, "sent a malformed SOCKS answer");
  }
  if (answer[1] != 0) {
    co_return reply_fault(proxy, target, answer[1]);
  }
  done = co_await receive(connection, proxy, answer.data() + 2, 3, budget);
  if (!done) {
    co_return std::move(done);
  }
  std::size_t rest = 2;  // the port; of the address one byte has been read
  switch (answer[3]) {
    case kIpv4:
      rest += 3;
      break;
    case kIpv6:
      rest += 15;
      break;
    case kDomain:
      rest += static_cast<unsigned char>(answer[4]);
      break;
    default:
      co_return failed(proxy, "sent a malformed SOCKS answer");
  }
  std::array<char, 257> bound{};
  done = co_await receive(connection, proxy, bound.data(), rest, budget);
  if (done) {
    // As with CONNECT: nobody at the other end has a reason to speak yet.
    char byte = 0;
    const IoResult stray = connection.stream.peek(&byte, 1);
    if (stray.status == Io::kOk && stray.size != 0) {
      co_return failed(proxy, "sent bytes behind its SOCKS answer");
    }
  }
  co_return std::move(done);
}

}  // namespace

Awaitable<Outcome<void>> open_egress_tunnel(UpstreamConnection& connection,
                                            const EgressProxy& proxy, const TunnelTarget& target,
                                            ConnectBudget budget) {
  switch (proxy.kind()) {
    case EgressProxy::Kind::kHttp:
    case EgressProxy::Kind::kHttps:
      return open_by_connect(connection, proxy, target, budget);
    case EgressProxy::Kind::kSocks5:
    case EgressProxy::Kind::kSocks5Remote:
      break;
  }
  return open_by_socks(connection, proxy, target, budget);
}

}  // namespace av::proxy
