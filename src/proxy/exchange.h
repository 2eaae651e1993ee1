#pragma once
// Exchange: one request and its response. Exchange::run() is the way of a request through the
// program, stage by stage; read it first.

#include <chrono>
#include <memory>
#include <string>

#include "proxy/body.h"
#include "proxy/fault.h"
#include "proxy/head.h"
#include "proxy/injector.h"
#include "proxy/response_plan.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "vault/audit.h"
#include "vault/canonical.h"

namespace av::proxy {

// The client's side of an exchange: what the session lends to it.
struct ClientSide {
  Stream& stream;
  ReadBuffer& buffer;
  RequestHead& head;  // parsed and checked
};

class Exchange {
 public:
  Exchange(Worker& worker, ClientSide client, vault::RequestIdentity identity);
  ~Exchange();  // writes the audit record of every way out
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // True when the client's connection can carry another request.
  Awaitable<bool> run();

 private:
  Outcome<OutboundRequest> admit();
  Outcome<void> audit_use(const OutboundRequest& request);
  Awaitable<Outcome<UpstreamPtr>> send_request(const OutboundRequest& request);
  Awaitable<Outcome<UpstreamPtr>> acquire(const OutboundRequest& request, bool fresh);
  Awaitable<Outcome<void>> read_response_head(UpstreamConnection& upstream,
                                              const PatternSet* patterns);
  Awaitable<bool> relay_response(const OutboundRequest& request, UpstreamPtr upstream);
  Awaitable<bool> relay_body(ResponsePlan& plan, const PatternSet* patterns,
                             UpstreamConnection& upstream);
  Awaitable<bool> refuse(const Fault& fault);
  Awaitable<void> pump_request_body(UpstreamConnection& upstream);
  Awaitable<void> stop_pump(UpstreamConnection& upstream, Millis patience);
  [[nodiscard]] bool client_gone();
  Awaitable<BodyReader::Piece> next_piece(BodyReader& body);
  Awaitable<Io> send_to_client(std::string_view bytes);
  Awaitable<bool> drain_request_body();
  void note_broken_body(const char* code);

  Worker& worker_;
  ClientSide client_;
  vault::RequestIdentity identity_;
  vault::SnapshotPtr snapshot_;
  std::shared_ptr<const vault::KeyRing> key_ring_;
  BodyReader request_body_;
  ResponseHead response_;
  vault::AuditRecord record_;
  std::chrono::steady_clock::time_point started_;

  // The request body is pumped beside the response when it does not fit one write.
  bool pump_running_ = false;
  bool pump_stopping_ = false;  // by us: a read that gives up says nothing about the client
  bool request_sent_ = true;    // nothing of the request was withheld from the upstream
  std::uint64_t pumped_ = 0;
  bool body_malformed_ = false;
  bool client_broke_ = false;
  Timer pump_done_;
};

}  // namespace av::proxy
