#pragma once
// PolicyGate: from a request's identity to Policy's last word about it. Mostly that word comes from
// the head alone; a rule may want the body first, or a human.
//
// Nothing is decrypted here, and nothing has been when a request waits here.

#include <memory>
#include <optional>
#include <string>

#include "proxy/content_decoder.h"
#include "proxy/downstream.h"
#include "proxy/fault.h"
#include "proxy/held_body.h"
#include "proxy/io.h"
#include "vault/audit.h"
#include "vault/key_ring.h"
#include "vault/policy.h"

namespace av::proxy {

struct Worker;

class PolicyGate {
 public:
  // All must outlive it. Fills in what `record` says about the decision.
  PolicyGate(Worker& worker, Downstream& client, vault::AuditRecord& record);
  ~PolicyGate();
  PolicyGate(const PolicyGate&) = delete;
  PolicyGate& operator=(const PolicyGate&) = delete;

  // With what is known by now: at first the head. An error is the answer for the client, unless
  // must_wait().
  Outcome<vault::AllowedRequest> decide(const vault::RequestIdentity& identity);
  [[nodiscard]] bool must_wait() const { return needs_body_ || held_.has_value(); }
  // After that: what is still open.
  Awaitable<Outcome<vault::AllowedRequest>> wait(const vault::RequestIdentity& identity);

  // The same with the policy of now, without counting once more: a human has taken time elsewhere.
  Outcome<vault::AllowedRequest> decide_again(const vault::RequestIdentity& identity);

  // What the human said; called on the worker.
  void answered(vault::ApprovalState answer);

  // Of the moment of the last decision.
  [[nodiscard]] const vault::SnapshotPtr& snapshot() const { return snapshot_; }
  [[nodiscard]] const vault::KeyRing& key_ring() const { return *key_ring_; }

 private:
  Awaitable<Outcome<void>> read_body(std::size_t limit, HeldBody::Patience patience);
  Awaitable<Outcome<void>> read_body_for_rules();
  Awaitable<Outcome<void>> ask(const vault::RequestIdentity& identity);
  Awaitable<Outcome<void>> wait_for_answer(Millis timeout);
  Awaitable<Outcome<vault::AllowedRequest>> settle(const vault::RequestIdentity& identity);
  [[nodiscard]] bool decode(std::string_view coded, const CodingList& codings);
  void forget_body();
  [[nodiscard]] bool has_grants(const vault::RequestIdentity& identity);
  [[nodiscard]] bool take_grant(const vault::Rule& rule, const std::string& url);
  void describe_body(vault::ApprovalRequest& request);
  [[nodiscard]] vault::ApprovalRequest describe(const vault::RequestIdentity& identity);
  void take_newest_policy();

  Worker& worker_;
  Downstream& client_;
  vault::AuditRecord& record_;
  vault::SnapshotPtr snapshot_;
  std::shared_ptr<const vault::KeyRing> key_ring_;
  bool needs_body_ = false;
  bool counted_ = false;  // the limits have taken this request
  std::optional<vault::HeldRequest> held_;
  std::optional<vault::BodyView> body_;
  SecretBuffer decoded_;  // what body_ views, when it came with a coding; counts as held

  std::string asked_;  // the id, while somebody is asked
  std::optional<vault::ApprovalState> answer_;
  std::optional<Signal> answered_;  // while somebody is asked
};

}  // namespace av::proxy
