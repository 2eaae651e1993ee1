#pragma once
// H2Server: a client's tunnel in which HTTP/2 is spoken. Each stream becomes a request with an
// identity and is handed to an Exchange of its own; they run beside one another.

#include "proxy/body.h"
#include "proxy/downstream.h"
#include "proxy/h2_connection.h"
#include "proxy/request_identity.h"
#include "proxy/stream.h"
#include "proxy/worker.h"

namespace av::proxy {

class H2Server {
 public:
  // All references must outlive it.
  H2Server(Worker& worker, Stream& stream, ReadBuffer& buffer, const TunnelIdentity& tunnel);

  // Until the connection has ended and every exchange with it.
  Awaitable<void> run();
  // No more requests; those under way are answered, then the connection ends.
  void shut_down() { connection_.shut_down(); }

 private:
  void on_request(H2StreamPtr stream);
  Awaitable<void> serve(H2StreamPtr stream);
  Awaitable<void> serve_request(Downstream& client, const RequestHead& head);

  Worker& worker_;
  const TunnelIdentity& tunnel_;
  H2Connection connection_;
  Signal idle_;
  std::size_t running_ = 0;
};

}  // namespace av::proxy
