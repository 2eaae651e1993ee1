#include "proxy/broker_client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <optional>
#include <string>
#include <utility>

#include "core/ascii.h"
#include "proxy/body.h"
#include "proxy/connect_target.h"
#include "proxy/deadline.h"
#include "proxy/gateway_fault.h"
#include "proxy/http1_parser.h"

namespace av::proxy {
namespace {

struct Place {
  vault::Scheme scheme = vault::Scheme::kHttps;
  vault::Authority authority;
  std::string host_field;
  std::string target;
};

Fault bad_url() {
  Fault fault;
  fault.status = 400;
  fault.code = "bad_request";
  fault.message = "the broker was told to call something that is not an http:// or https:// URL";
  return fault;
}

Outcome<Place> place_of(std::string_view url) {
  Place place;
  if (url.starts_with("https://")) {
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
    place.scheme = vault::Scheme::kHttp;
  } else {
    return bad_url();
  }
  const std::size_t end = std::min(url.find_first_of("/?#"), url.size());
  place.host_field = std::string(url.substr(0, end));
  place.target = std::string(url.substr(end));
  if (place.target.empty() || place.target.front() == '?') {
    place.target.insert(0, "/");
  }
  const std::uint16_t port = place.scheme == vault::Scheme::kHttps ? 443 : 80;
  auto authority = vault::parse_authority(place.host_field, port);
  for (const char c : place.target) {
    if (c <= ' ' || c == 0x7f || c == '#' || static_cast<unsigned char>(c) >= 0x80) {
      return bad_url();
    }
  }
  if (!authority) {
    return bad_url();
  }
  place.authority = std::move(*authority);
  return place;
}

Fault broken(Io io, const std::string& host) {
  return io == Io::kTimeout
             ? gateway_fault("upstream_timeout", host + " did not answer in time", "", true)
             : gateway_fault("upstream_closed", host + " closed the connection before it answered",
                             "", true);
}

Fault not_an_answer(const std::string& host, const char* why) {
  return gateway_fault("upstream_protocol", "the answer of " + host + " is not usable: " + why, "",
                       false);
}

SecretBuffer message_of(const Place& place, const BrokerClient::Request& request) {
  SecretBuffer out;
  out.append(request.method);
  out.append(" ");
  out.append(place.target);
  out.append(" HTTP/1.1\r\nHost: ");
  out.append(place.host_field);
  out.append("\r\nUser-Agent: agent-vault/" AV_VERSION "\r\nConnection: close\r\n");
  out.append(request.fields.view());
  if (request.method == "POST" || !request.body.empty()) {
    out.append("Content-Length: " + std::to_string(request.body.size()) + "\r\n");
  }
  out.append("\r\n");
  out.append(request.body.view());
  return out;
}

}  // namespace

struct BrokerClient::Impl {
  Impl(Options given, const Clock& wall_clock)
      : options(std::move(given)),
        clock(wall_clock),
        connector(context.get_executor(), deadlines, options.connect) {
    own_roots.tls.ca_pem = options.ca_pem;
  }

  Awaitable<void> converse(const Request& request, std::optional<Outcome<Answer>>* out);
  Awaitable<Outcome<Answer>> exchange(const Request& request);
  Awaitable<std::optional<Fault>> read_head(UpstreamConnection& connection, const std::string& host,
                                            std::string_view method, ResponseHead& head);
  Awaitable<std::optional<Fault>> read_body(UpstreamConnection& connection, const std::string& host,
                                            const ResponseHead& head, SecretBuffer& body);

  Options options;
  const Clock& clock;
  asio::io_context context{1};
  DeadlineList deadlines;
  Connector connector;
  vault::Service own_roots;
  ResponseHead last_head;  // the fields of the answer view it
};

BrokerClient::BrokerClient(Options options, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}

BrokerClient::~BrokerClient() = default;

Awaitable<std::optional<Fault>> BrokerClient::Impl::read_head(UpstreamConnection& connection,
                                                              const std::string& host,
                                                              std::string_view method,
                                                              ResponseHead& head) {
  HeadScanner scanner;
  for (;;) {
    HeadScanner::State state = scanner.scan(connection.buffer.view());
    while (state == HeadScanner::State::kMore) {
      const Io io = co_await fill(connection.stream, connection.buffer, options.answer);
      if (io != Io::kOk) {
        co_return broken(io, host);
      }
      state = scanner.scan(connection.buffer.view());
    }
    head.reset();
    if (state != HeadScanner::State::kComplete ||
        parse_response_head(connection.buffer.view().substr(0, scanner.size()), head) ||
        check_response_head(head, method)) {
      co_return not_an_answer(host, "it is not HTTP");
    }
    connection.buffer.consume(scanner.size());
    scanner.reset();
    if (head.status >= 200) {
      co_return std::nullopt;
    }
  }
}

Awaitable<std::optional<Fault>> BrokerClient::Impl::read_body(UpstreamConnection& connection,
                                                              const std::string& host,
                                                              const ResponseHead& head,
                                                              SecretBuffer& body) {
  BodyReader reader(connection.stream, connection.buffer, head.body, head.content_length);
  while (!reader.ended()) {
    const BodySource::Piece piece = co_await reader.next(options.answer);
    if (piece.state == BodySource::State::kMalformed) {
      co_return not_an_answer(host, "its framing is malformed");
    }
    if (piece.state == BodySource::State::kBroken) {
      co_return broken(piece.io, host);
    }
    if (body.size() + piece.data.size() > options.most_body) {
      co_return not_an_answer(host, "it is too long");
    }
    body.append(std::string_view(piece.data.data(), piece.data.size()));
  }
  if (head.body == BodyKind::kUntilClose && connection.stream.truncated()) {
    co_return broken(Io::kEof, host);
  }
  co_return std::nullopt;
}

Awaitable<Outcome<BrokerClient::Answer>> BrokerClient::Impl::exchange(const Request& request) {
  auto place = place_of(request.url);
  if (!place) {
    co_return std::move(place.error());
  }
  const std::string& host = place->authority.host;
  const ConnectTarget target(place->authority, place->scheme,
                             options.ca_pem.empty() ? nullptr : &own_roots);
  auto connected = co_await connector.connect(target, AlpnOffer::kHttp1);
  if (!connected) {
    co_return std::move(connected.error());
  }
  UpstreamConnection& connection = **connected;
  const SecretBuffer message = message_of(*place, request);
  const Io sent = co_await connection.stream.write_all(message.view(), options.answer);
  // One that answers before it has everything may close: its answer counts.
  std::optional<Fault> fault = co_await read_head(connection, host, request.method, last_head);
  if (fault) {
    co_return sent == Io::kOk ? std::move(*fault) : broken(sent, host);
  }
  Answer answer;
  answer.status = last_head.status;
  answer.fields.assign(last_head.fields.begin(), last_head.fields.end());
  fault = co_await read_body(connection, host, last_head, answer.body);
  if (fault) {
    co_return std::move(*fault);
  }
  co_return std::move(answer);
}

Awaitable<void> BrokerClient::Impl::converse(const Request& request,
                                             std::optional<Outcome<Answer>>* out) {
  auto result = co_await exchange(request);
  out->emplace(std::move(result));
}

Outcome<BrokerClient::Answer> BrokerClient::send(const Request& request) {
  Impl& impl = *impl_;
  std::optional<Outcome<Answer>> result;
  impl.deadlines.tick(impl.clock.steady());
  impl.context.restart();
  asio::co_spawn(impl.context, impl.converse(request, &result), asio::detached);
  const auto give_up =
      impl.clock.steady() + 2 * impl.options.connect.connect_timeout + impl.options.answer;
  bool cut = false;
  while (!result) {
    impl.context.run_one_for(Millis{50});
    impl.context.restart();
    const auto now = impl.clock.steady();
    impl.deadlines.tick(now);
    if (now >= give_up && !std::exchange(cut, true)) {
      impl.deadlines.close_all();  // a trickle that never ends: every wait ends now
    }
  }
  impl.context.poll();  // what is left of the connection
  impl.context.restart();
  return std::move(*result);
}

}  // namespace av::proxy
