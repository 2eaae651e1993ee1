#include "proxy/value_fetch.h"

#include <memory>
#include <optional>
#include <utility>

#include "proxy/late_answer.h"

namespace av::proxy {
namespace {

// Longer than any store is waited for.
constexpr Millis kMostWait{45'000};

using Answer = LateAnswer<vault::FetchResult>;
using Why = vault::StoreFailure::Why;

int status_of(Why why) {
  switch (why) {
    case Why::kTimeout:
      return 504;
    case Why::kBusy:
    case Why::kLocked:
      return 503;
    case Why::kNotFound:
    case Why::kDenied:
    case Why::kUnreachable:
    case Why::kMalformed:
    case Why::kRefused:
    case Why::kInvalid:
      return 502;
  }
  return 502;
}

struct Words {
  const char* code;
  const char* message;  // for the agent, after "the value of X"
};

// What a store says of itself is for its owner, in the log: the agent is told how it failed.
Words words_of(Why why) {
  switch (why) {
    case Why::kNotFound:
      return {"external_store_not_found", " is not in the external store that should have it"};
    case Why::kDenied:
      return {"external_store_denied", " may not be read from its external store"};
    case Why::kLocked:
      return {"external_store_locked", " is in an external store that is locked"};
    case Why::kUnreachable:
      return {"external_store_unreachable", " is in an external store that cannot be reached"};
    case Why::kTimeout:
      return {"external_store_timeout", " is in an external store that does not answer"};
    case Why::kBusy:
      return {"external_store_busy", " is in an external store that is busy"};
    case Why::kMalformed:
      return {"external_store_malformed", " is in an external store whose answer is malformed"};
    case Why::kRefused:
      return {"external_store_refused", " is in an external store that may not be asked"};
    case Why::kInvalid:
      return {"external_store_invalid", " is referred to in a way that its store does not know"};
  }
  return {"external_store_invalid", ""};
}

bool passes(Why why) {
  return why == Why::kUnreachable || why == Why::kTimeout || why == Why::kBusy ||
         why == Why::kLocked;
}

Fault store_fault(const vault::SourceQuery& query, const vault::StoreFailure& failure) {
  const Words words = words_of(failure.why);
  Fault fault;
  fault.status = status_of(failure.why);
  fault.code = words.code;
  fault.message = "the value of " + query.keys.front() + words.message;
  fault.detail = failure.message;
  fault.help = "the owner of the vault can look: agent-vault vault store test";
  fault.transient = passes(failure.why);
  return fault;
}

}  // namespace

bool is_not_in_store(const Fault& fault) {
  return std::string_view(fault.code) == words_of(Why::kNotFound).code;
}

Awaitable<Outcome<void>> fetch_values(Worker& worker, std::vector<vault::SourceQuery> queries) {
  if (worker.options.values == nullptr) {
    vault::StoreFailure none;
    none.why = Why::kUnreachable;
    none.message = "this program does not reach external stores";
    co_return store_fault(queries.front(), none);
  }
  std::vector<std::shared_ptr<Answer>> answers;
  std::vector<std::unique_ptr<Answer::Waiting>> waiting;
  for (const vault::SourceQuery& query : queries) {
    auto answer = std::make_shared<Answer>(worker.io.get_executor());
    waiting.push_back(std::make_unique<Answer::Waiting>(*answer));
    ValueSource::Done done = [answer](vault::FetchResult result) {
      Answer::tell(answer, std::move(result));
    };
    worker.options.values->fetch(query, std::move(done));
    answers.push_back(std::move(answer));
  }
  const auto give_up = worker.clock.steady() + kMostWait;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    while (!waiting[i]->value() && worker.clock.steady() < give_up) {
      const auto left = std::chrono::ceil<Millis>(give_up - worker.clock.steady());
      (void)co_await waiting[i]->wait(left);
    }
    std::optional<vault::FetchResult>& result = waiting[i]->value();
    if (!result) {
      vault::StoreFailure late;
      late.why = Why::kTimeout;
      late.message = "it does not answer";
      co_return store_fault(queries[i], late);
    }
    if (!*result) {
      co_return store_fault(queries[i], result->error());
    }
    worker.resolver.take(queries[i], std::move(**result));
  }
  co_return Outcome<void>();
}

}  // namespace av::proxy
