#include "proxy/h2_server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "proxy/exchange.h"
#include "proxy/h2_downstream.h"
#include "proxy/refusals.h"

namespace av::proxy {
namespace {

// Streams that a client has reset may still be winding up.
constexpr std::size_t kMaxExchanges = 256;
constexpr Millis kUnwind{60'000};

}  // namespace

H2Server::H2Server(Worker& worker, Stream& stream, ReadBuffer& buffer, const TunnelIdentity& tunnel)
    : worker_(worker),
      tunnel_(tunnel),
      connection_(H2Connection::Role::kServer, worker.io.get_executor(), stream, buffer,
                  worker.deadlines, H2Limits(),
                  [this](H2StreamPtr request) { on_request(std::move(request)); }),
      idle_(worker.io.get_executor()) {}

Awaitable<void> H2Server::run() {
  if (worker_.state.draining) {
    connection_.shut_down();
  }
  co_await connection_.run(worker_.options.idle_timeout);
  while (running_ != 0) {
    (void)co_await idle_.wait(kUnwind);
  }
}

void H2Server::on_request(H2StreamPtr stream) {
  if (running_ >= kMaxExchanges || worker_.state.draining) {
    stream->reset(NGHTTP2_REFUSED_STREAM);
    return;
  }
  ++running_;
  asio::co_spawn(worker_.io.get_executor(), serve(std::move(stream)), asio::detached);
}

Awaitable<void> H2Server::serve(H2StreamPtr stream) {
  RequestHead head;
  H2Stream::Block block = stream->take_head();
  const auto error = block.head.to_request(head, block.end);
  H2Downstream client(connection_, stream, head);
  if (error) {
    const Fault fault = head_fault(*error);
    audit_refusal(worker_, head.method, fault);
    const LocalReply reply = fault_reply(fault);
    (void)co_await client.put_reply(reply, /*reusable=*/false);
  } else {
    co_await serve_request(client, head);
  }
  stream->finish();
  if (--running_ == 0) {
    idle_.notify();
  }
}

Awaitable<void> H2Server::serve_request(Downstream& client, const RequestHead& head) {
  auto identity = identity_in_tunnel(tunnel_, head);
  if (!identity) {
    audit_refusal(worker_, head.method, identity.error());
    const LocalReply reply = fault_reply(identity.error());
    (void)co_await client.put_reply(reply, /*reusable=*/false);
    co_return;
  }
  Exchange exchange(worker_, client, std::move(*identity));
  (void)co_await exchange.run();
}

}  // namespace av::proxy
