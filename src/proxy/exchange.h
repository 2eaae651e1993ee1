#pragma once
// Exchange: one request and its response. Exchange::run() is the way of a request through the
// program, stage by stage; read it first. It knows neither HTTP/1 nor HTTP/2: a Downstream and an
// UpstreamExchange do.

#include <chrono>
#include <memory>
#include <string>

#include "proxy/downstream.h"
#include "proxy/fault.h"
#include "proxy/head.h"
#include "proxy/injector.h"
#include "proxy/response_plan.h"
#include "proxy/upload.h"
#include "proxy/upstream_exchange.h"
#include "proxy/worker.h"
#include "vault/audit.h"
#include "vault/canonical.h"

namespace av::proxy {

class Exchange {
 public:
  // `worker` and `client` must outlive it.
  Exchange(Worker& worker, Downstream& client, vault::RequestIdentity identity);
  ~Exchange();  // writes the audit record of every way out
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // True when the client's connection can carry another request.
  Awaitable<bool> run();

 private:
  Outcome<OutboundRequest> admit();
  Outcome<void> audit_use(const OutboundRequest& request);
  Awaitable<Outcome<UpstreamExchangePtr>> send_request(const OutboundRequest& request);
  Awaitable<Outcome<void>> read_response_head(UpstreamExchange& upstream,
                                              const OutboundRequest& request);
  Awaitable<bool> relay_response(const OutboundRequest& request, UpstreamExchange& upstream);
  Awaitable<bool> relay_body(const ResponsePlan& plan, const PatternSet* patterns,
                             UpstreamExchange& upstream);
  Awaitable<BodySource::Piece> next_piece(BodySource& body);
  Awaitable<bool> refuse(const Fault& fault);
  Awaitable<bool> drain_request_body();
  [[nodiscard]] bool client_gone();
  void note_broken_body(const char* code);

  Worker& worker_;
  Downstream& client_;
  vault::RequestIdentity identity_;
  vault::SnapshotPtr snapshot_;
  std::shared_ptr<const vault::KeyRing> key_ring_;
  Upload upload_;
  ResponseHead response_;
  vault::AuditRecord record_;
  std::chrono::steady_clock::time_point started_;
  UpstreamExchange* live_ = nullptr;  // given up when the client leaves
  bool client_broke_ = false;
};

}  // namespace av::proxy
