#pragma once
// StoreMeter: how questions to external stores go, for /metrics and for the status of each store.
// By kind and by why, which are few; nothing that was asked for is in it. From any thread.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "api/store_port.h"
#include "core/clock.h"
#include "source/fetcher.h"
#include "source/provider.h"

namespace av::cmd {

class StoreMeter {
 public:
  explicit StoreMeter(const Clock& clock) : clock_(clock) {}

  // `provider`, with what is fetched from it counted here; which must outlive what is returned.
  // `kind`: of the table of kinds.
  [[nodiscard]] std::shared_ptr<source::Provider> metered(
      std::shared_ptr<source::Provider> provider, std::string uid, std::string kind);
  // The counts of stores that are not paired any more go; those of kinds stay.
  void keep_only(const std::map<std::string, std::uint64_t, std::less<>>& stores);

  // Without leases and rests, which are the fetcher's to know.
  [[nodiscard]] api::StoreHealth health(const std::string& uid) const;
  // Prometheus' text form, version 0.0.4.
  [[nodiscard]] std::string text(const source::Fetcher::Counts& fetcher) const;
  [[nodiscard]] const Clock& clock() const { return clock_; }
  // Of one question.
  void note(const std::string& uid, const std::string& kind, const source::Failure* failure,
            std::int64_t took_us);

 private:
  static constexpr std::size_t kWhys = 9;
  struct OfKind {
    std::uint64_t asked = 0;
    std::array<std::uint64_t, kWhys> failed{};  // by source::Failure::Why
    std::int64_t took_us = 0;
  };
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, OfKind, std::less<>> kinds_;             // guarded by mutex_
  std::map<std::string, api::StoreHealth, std::less<>> stores_;  // guarded by mutex_
};

}  // namespace av::cmd
