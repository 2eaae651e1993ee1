#pragma once
// A paired store, ready to be asked: its provider with the ports that it needs.

#include <functional>
#include <memory>

#include "core/clock.h"
#include "core/fs.h"
#include "proxy/net_guard.h"
#include "source/kinds.h"
#include "source/provider.h"
#include "vault/external.h"

namespace av::cmd {

struct StoreReach {
  proxy::NetOptions net;
  const Clock* clock = nullptr;
  fs::Paths paths;  // of the store, which programs must not see; they are not run without
  // A run without isolation: its programs have what isolation there is, and are run all the same.
  bool uncovered = false;
  // Keeps other secrets for the store of this uid, on disk when it returns.
  std::function<Status(const std::string& uid, const vault::StoreSecrets& secrets)> keep;
};

[[nodiscard]] source::Result<std::shared_ptr<source::Provider>> make_provider(
    const vault::ExternalStore& store, vault::StoreSecrets secrets, const StoreReach& reach);

// As a failure of a store that could not be opened here.
[[nodiscard]] source::Failure failure_of(const Error& error);

}  // namespace av::cmd
