#include "cmd/api_setup.h"

#include <utility>

#include "api/accounts.h"
#include "cmd/output.h"
#include "proxy/refusals.h"

namespace av::cmd {
namespace {

void refuse(const proxy::ApiHandler::Answer& answer, std::string message) {
  proxy::Fault fault;
  fault.status = 503;
  fault.code = "busy";
  fault.message = std::move(message);
  fault.help = "try again";
  fault.retry_after = 1;
  fault.transient = true;
  answer(proxy::fault_reply(fault), false);
}

// On the terminal of whoever started the server, and nowhere else. Also called on the API's thread.
void show_setup_code(const Context& context, const Secret& code) {
  SecretBuffer line;
  line.append("agent-vault: nobody owns this instance yet; in a browser, the setup code is ");
  line.append(code);
  line.push_back('\n');
  static_cast<void>(print_secret(context.err, line.view()).has_value());
}

}  // namespace

Expected<std::unique_ptr<OwnedApi>> OwnedApi::create(Context& context, const std::string& id,
                                                     api::ApiOptions options) {
  std::unique_ptr<OwnedApi> owned(new OwnedApi());
  AV_TRY(auto chain, store::RootChain::open(context.paths.audit(), *context.store, *context.clock));
  AV_TRY(owned->journal_,
         store::AuditJournal::create(context.paths.audit(), id + "-api", std::move(chain)));
  AV_TRY(auto store, context.store->another());
  options.audit = owned->journal_.get();
  options.clock = context.clock;
  options.paths = context.paths;
  options.denial = proxy::denial_fault;
  const bool serves = options.mode == api::Mode::kServe;
  options.users = [&context, serves](store::Store& opened) -> std::unique_ptr<api::UserDirectory> {
    api::AccountsOptions accounts;
    accounts.clock = context.clock;
    if (serves) {
      accounts.announce = [&context](const Secret& code) { show_setup_code(context, code); };
    }
    return std::make_unique<api::Accounts>(opened, std::move(accounts));
  };
  owned->api_ = std::make_unique<api::Api>(std::move(store), std::move(options));
  return owned;
}

void LazyApi::handle(proxy::ApiRequest request, Answer answer, Gone gone) {
  {
    const std::lock_guard lock(mutex_);
    if (api_ != nullptr) {
      api_->handle(std::move(request), std::move(answer), std::move(gone));
      return;
    }
    if (!stopped_ && waiting_.size() < kMostWaiting) {
      waiting_.push_back(Waiting{std::move(request), std::move(answer), std::move(gone)});
      return;
    }
  }
  refuse(answer, "the broker cannot answer now");
}

void LazyApi::tick(const Make& make) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty() || stopped_) {
      return;
    }
  }
  // Without the lock: the proxy's thread must not wait for a disk.
  auto made = make();
  std::vector<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
    if (made) {
      api_ = std::move(*made);
    }
  }
  for (Waiting& one : waiting) {
    if (made) {
      api_->handle(std::move(one.request), std::move(one.answer), std::move(one.gone));
    } else {
      refuse(one.answer, "the broker cannot answer: " + made.error().message);
    }
  }
}

void LazyApi::stop() {
  std::vector<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    waiting.swap(waiting_);
  }
  for (const Waiting& one : waiting) {
    refuse(one.answer, "the run is over");
  }
  if (api_ != nullptr) {
    api_->stop();
  }
}

}  // namespace av::cmd
