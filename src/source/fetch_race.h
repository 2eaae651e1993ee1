#pragma once
// FetchRace: one query, whose choices are asked side by side, and which of the answers it is. No
// threads, no clock: told what came and when (steady clock, milliseconds). Internal to this
// library.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "source/fetch_table.h"
#include "source/provider.h"
#include "vault/external.h"

namespace av::source {

struct FetchRace {
  using Outcome = Result<std::shared_ptr<const KeptRecord>>;

  vault::SourceQuery query;
  std::function<void(vault::FetchResult)> done;
  std::vector<std::optional<Outcome>> outcomes;  // of each choice; none while it is being asked
  std::int64_t decide_ms = 0;  // by then it is decided, whoever is still missing; 0: not yet
  bool over = false;

  struct Decision {
    std::optional<vault::FetchResult> result;
    bool in_grace = false;  // there is an answer, which only waits for a preferred one
  };
  // The first in order that has an answer: at once when nobody who is preferred is still asked,
  // else when the time of grace is over.
  [[nodiscard]] Decision decide(std::int64_t now_ms) const;
};

}  // namespace av::source
