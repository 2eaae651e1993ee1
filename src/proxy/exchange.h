#pragma once
// Exchange: one request and its response. Exchange::run() is the way of a request through the
// program, stage by stage; read it first. It knows neither HTTP/1 nor HTTP/2: a Downstream and an
// UpstreamExchange do.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/downstream.h"
#include "proxy/fault.h"
#include "proxy/head.h"
#include "proxy/injector.h"
#include "proxy/lane.h"
#include "proxy/placeholder_guard.h"
#include "proxy/policy_gate.h"
#include "proxy/request_body_filter.h"
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
  Outcome<OutboundRequest> admit(vault::AllowedRequest allowed);
  Outcome<OutboundRequest> admit_again(vault::AllowedRequest allowed);
  Outcome<ResolvedPtr> resolve(const vault::AllowedRequest& allowed);
  [[nodiscard]] CredentialResolver::Now now() const;
  [[nodiscard]] bool token_rejected(const OutboundRequest& request) const;
  Outcome<InjectOptions> prepare_body(const ResolvedCredential* values);
  Outcome<void> audit_use(const OutboundRequest& request);
  Awaitable<Outcome<UpstreamExchangePtr>> send_request(const OutboundRequest& request);
  Awaitable<Outcome<void>> read_response_head(UpstreamExchange& upstream,
                                              const OutboundRequest& request);
  Awaitable<bool> relay_response(const OutboundRequest& request, UpstreamExchange& upstream);
  Awaitable<bool> relay_body(const ResponsePlan& plan, const PatternSet* patterns,
                             UpstreamExchange& upstream);
  Awaitable<BodySource::Piece> next_piece(BodySource& body);
  Awaitable<bool> refuse(const Fault& fault);
  Awaitable<bool> answer(const LocalReply& reply);
  Awaitable<bool> drain_request_body();
  [[nodiscard]] bool client_gone();
  void note_broken_body(const char* code);
  void note_refusal(const Fault& fault);

  Worker& worker_;
  Downstream& client_;
  vault::RequestIdentity identity_;
  // Both made in admit().
  std::optional<PlaceholderGuard> guard_;
  std::optional<RequestBodyFilter> body_filter_;
  std::string_view first_;  // of the body, when it is here already
  bool whole_ = false;      // first_ is all of it
  InjectOptions options_;   // made by prepare_body()
  SecretBuffer rewritten_;  // what first_ views when its placeholders were replaced
  Upload upload_;
  ResponseHead response_;
  vault::Lane lane_;  // of those that the agent may have at one time
  vault::AuditRecord record_;
  PolicyGate gate_;
  std::chrono::steady_clock::time_point started_;
  UpstreamExchange* live_ = nullptr;  // given up when the client leaves
  bool client_broke_ = false;
};

}  // namespace av::proxy
