#pragma once
// LoginStage: what is different about a request in which a program logs in itself. Its body is read
// before policy, a human is asked before it goes out, and the answer goes to the LoginKeeper in
// place of the program, which gets what the keeper makes of it. Nothing that the provider has said
// reaches the program otherwise, whatever it was.

#include <optional>
#include <string>

#include "proxy/content_decoder.h"
#include "proxy/downstream.h"
#include "proxy/fault.h"
#include "proxy/io.h"
#include "proxy/local_reply.h"
#include "proxy/login_keeper.h"
#include "proxy/upstream_exchange.h"
#include "vault/audit.h"
#include "vault/canonical.h"

namespace av::proxy {

struct Worker;

class LoginStage {
 public:
  // All must outlive it. Says in `record` what became of the login.
  LoginStage(Worker& worker, Downstream& client, vault::AuditRecord& record)
      : worker_(worker), client_(client), record_(record) {}
  ~LoginStage();
  LoginStage(const LoginStage&) = delete;
  LoginStage& operator=(const LoginStage&) = delete;

  [[nodiscard]] static bool concerns(const Worker& worker, const vault::RequestIdentity& identity);

  // First of all; an error or reply() is the answer for the program.
  Awaitable<Outcome<void>> look(const vault::RequestIdentity& identity);
  [[nodiscard]] const LocalReply* reply() const { return reply_ ? &*reply_ : nullptr; }
  // It is a login: no service's credential goes with it, and its answer is for keep().
  [[nodiscard]] bool captures() const { return !login_.empty(); }
  // Until somebody has allowed it.
  Awaitable<Outcome<void>> wait_for_consent();
  // Takes the whole answer; reply() is what the program gets. The client need not be there.
  Awaitable<Outcome<void>> keep(const ResponseHead& head, UpstreamExchange& upstream);

 private:
  Awaitable<Outcome<void>> read_request(std::string_view& trouble);
  Awaitable<std::string> read_answer(const ResponseHead& head, UpstreamExchange& upstream,
                                     SecretBuffer& out);
  void set_reply(const LoginReply& from);

  Worker& worker_;
  Downstream& client_;
  vault::AuditRecord& record_;
  std::string login_;
  bool under_way_ = false;
  std::optional<LocalReply> reply_;
};

}  // namespace av::proxy
