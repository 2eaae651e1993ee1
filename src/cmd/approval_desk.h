#pragma once
// StoreDesk: the ApprovalDesk of a run. What the proxy asks goes into the store, where `approval`
// commands of any terminal find it; what they decide comes back.
//
// ask() and withdraw() may be called from any thread; pump() belongs to the one that owns the
// store.

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "store/store.h"
#include "vault/approval.h"

namespace av::cmd {

class StoreDesk final : public vault::ApprovalDesk {
 public:
  // How many requests one run may hold.
  static constexpr std::size_t kMostWaiting = 64;

  [[nodiscard]] Status ask(vault::ApprovalRequest request, Answer answer) override;
  void withdraw(const std::string& id, vault::ApprovalState why) override;

  // Several times a second: writes what is new, reads what has been decided.
  void pump(store::Store& store);
  // Passes on what pump() has read: when the policy of at least that moment has been published, so
  // that a rule that was added before the decision counts.
  void deliver();

 private:
  struct Waiting {
    vault::ApprovalRequest request;
    Answer answer;
    bool written = false;
  };
  void write_new(store::Store& store);
  void write_withdrawn(store::Store& store);
  void collect(store::Store& store);
  void finish(const std::string& id, vault::ApprovalState state);

  std::vector<std::pair<std::string, vault::ApprovalState>> decided_;  // of the last pump()
  std::mutex mutex_;
  std::map<std::string, Waiting> waiting_;
  std::vector<std::pair<std::string, vault::ApprovalState>> withdrawn_;
};

}  // namespace av::cmd
