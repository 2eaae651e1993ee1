#pragma once
// How `serve` and `run` make the API: what it is told, a store and a journal of its own.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/api.h"
#include "cmd/command.h"
#include "proxy/metrics.h"
#include "store/audit_journal.h"

namespace av::cmd {

// The API with what it needs and what must outlive it.
class OwnedApi final : public proxy::ApiHandler {
 public:
  // `id`: of the run or server, for the name of the journal. Sets what `options` says of audit,
  // clock, paths and people.
  static Expected<std::unique_ptr<OwnedApi>> create(Context& context, const std::string& id,
                                                    api::ApiOptions options);
  void handle(proxy::ApiRequest request, Answer answer, Gone gone) override {
    api_->handle(std::move(request), std::move(answer), std::move(gone));
  }
  // Answers what waits and lets go of it: before the server ends.
  void stop() { api_->stop(); }

 private:
  OwnedApi() = default;
  std::unique_ptr<store::AuditJournal> journal_;
  std::unique_ptr<api::Api> api_;
};

// The API of a run, which most runs never need: made by the owner's next tick when somebody asks.
class LazyApi final : public proxy::ApiHandler {
 public:
  using Make = std::function<Expected<std::unique_ptr<OwnedApi>>()>;
  static constexpr std::size_t kMostWaiting = 64;

  // From any thread.
  void handle(proxy::ApiRequest request, Answer answer, Gone gone) override;
  // By the owner's thread, several times a second.
  void tick(const Make& make);
  void stop();

 private:
  struct Waiting {
    proxy::ApiRequest request;
    Answer answer;
    Gone gone;
  };
  std::mutex mutex_;
  std::vector<Waiting> waiting_;   // guarded by mutex_
  std::unique_ptr<OwnedApi> api_;  // set once, under mutex_
  bool stopped_ = false;           // guarded by mutex_
};

}  // namespace av::cmd
