#include "proxy/broker_stream.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstring>
#include <string>
#include <utility>

#include "proxy/connect_target.h"
#include "proxy/deadline.h"
#include "proxy/gateway_fault.h"

namespace av::proxy {
namespace {

// How exact a time-out is; it also wakes the thread so often while it waits.
constexpr Millis kLook{10};

struct Place {
  vault::Scheme scheme = vault::Scheme::kHttps;
  vault::Authority authority;
};

std::optional<Place> place_of(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view scheme = url.substr(0, colon);
  Place place;
  if (scheme == "ws" || scheme == "http") {
    place.scheme = vault::Scheme::kHttp;
  } else if (scheme != "wss" && scheme != "https") {
    return std::nullopt;
  }
  url.remove_prefix(colon + 3);
  auto authority = vault::parse_authority(url.substr(0, url.find_first_of("/?#")),
                                          vault::default_port(place.scheme));
  if (!authority) {
    return std::nullopt;
  }
  place.authority = std::move(*authority);
  return place;
}

template <typename T>
Awaitable<void> keep_result(Awaitable<T> work, std::optional<T>* out) {
  T value = co_await std::move(work);
  out->emplace(std::move(value));
}

}  // namespace

struct BrokerStream::Impl {
  Impl(ConnectorOptions given, const Clock& wall_clock, std::string name)
      : options(std::move(given)),
        clock(wall_clock),
        host(std::move(name)),
        connector(context.get_executor(), deadlines, options) {}

  // Runs the loop until `work` is done; cuts the connection when that takes longer than `at_most`.
  template <typename T>
  T run(Awaitable<T> work, Millis at_most) {
    std::optional<T> result;
    deadlines.tick(clock.steady());
    context.restart();
    asio::co_spawn(context, keep_result(std::move(work), &result), asio::detached);
    const auto give_up = clock.steady() + at_most;
    bool cut = false;
    while (!result) {
      context.run_one_for(kLook);
      context.restart();
      const auto now = clock.steady();
      deadlines.tick(now);
      if (now >= give_up && !std::exchange(cut, true)) {
        deadlines.close_all();
      }
    }
    context.poll();
    context.restart();
    return std::move(*result);
  }
  [[nodiscard]] Fault broken(Io io) const {
    if (io == Io::kTimeout) {
      return gateway_fault("upstream_timeout", host + " did not take what was sent in time", "",
                           true);
    }
    if (io == Io::kTls) {
      return gateway_fault("upstream_protocol", "TLS with " + host + " broke", "", true);
    }
    return gateway_fault("upstream_closed", host + " closed the connection", "", true);
  }

  ConnectorOptions options;
  const Clock& clock;
  std::string host;
  vault::Service own_roots;
  asio::io_context context{1};
  DeadlineList deadlines;
  Connector connector;
  UpstreamPtr connection;
};

BrokerStream::BrokerStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

BrokerStream::~BrokerStream() {
  close();
}

Outcome<std::unique_ptr<BrokerStream>> BrokerStream::connect(const ConnectorOptions& options,
                                                             std::string_view url,
                                                             const Clock& clock,
                                                             std::string_view ca_pem) {
  const auto place = place_of(url);
  if (!place) {
    Fault fault;
    fault.status = 400;
    fault.code = "bad_request";
    fault.message = "the broker was told to connect to something that is not a URL";
    return fault;
  }
  auto impl = std::make_unique<Impl>(options, clock, place->authority.host);
  impl->own_roots.tls.ca_pem = ca_pem;
  const ConnectTarget target(place->authority, place->scheme,
                             ca_pem.empty() ? nullptr : &impl->own_roots);
  auto connected = impl->run(impl->connector.connect(target, AlpnOffer::kHttp1),
                             2 * options.connect_timeout + Millis{1'000});
  if (!connected) {
    return std::move(connected.error());
  }
  impl->connection = std::move(*connected);
  return std::unique_ptr<BrokerStream>(new BrokerStream(std::move(impl)));
}

Outcome<std::optional<std::size_t>> BrokerStream::read(std::span<char> into, Millis timeout) {
  Impl& impl = *impl_;
  if (impl.connection == nullptr || into.empty()) {
    return impl.broken(Io::kClosed);
  }
  ReadBuffer& early = impl.connection->buffer;  // what came with the answer of the user's proxy
  if (!early.empty()) {
    const std::size_t size = std::min(into.size(), early.size());
    std::memcpy(into.data(), early.data(), size);
    early.consume(size);
    return std::optional<std::size_t>(size);
  }
  const Millis limit = std::max(timeout, Millis{1});  // 0 would be none
  const IoResult got = impl.run(impl.connection->stream.read_some(into.data(), into.size(), limit),
                                limit + Millis{5'000});
  switch (got.status) {
    case Io::kOk:
      return std::optional<std::size_t>(got.size);
    case Io::kEof:
      return std::optional<std::size_t>(0);
    case Io::kTimeout:
      return std::optional<std::size_t>();
    case Io::kReset:
    case Io::kTls:
    case Io::kClosed:
      break;
  }
  return impl.broken(got.status);
}

Outcome<bool> BrokerStream::write(std::string_view bytes, Millis timeout) {
  Impl& impl = *impl_;
  if (impl.connection == nullptr) {
    return impl.broken(Io::kClosed);
  }
  const Millis limit = std::max(timeout, Millis{1});
  const Io io = impl.run(impl.connection->stream.write_all(bytes, limit), limit);
  if (io != Io::kOk) {
    return impl.broken(io);
  }
  return true;
}

void BrokerStream::close() {
  if (impl_->connection != nullptr) {
    impl_->connection->stream.close();
    impl_->connection.reset();
  }
}

}  // namespace av::proxy
