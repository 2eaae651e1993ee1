#include "proxy/token_refresh.h"

#include <memory>
#include <utility>

#include "proxy/late_answer.h"

namespace av::proxy {
namespace {

// A good token need not wait for its successor; the next request will find it.
constexpr Millis kWhileGood{2'000};
// Longer than any attempt at a provider takes.
constexpr Millis kWhileEnded{45'000};

using Answer = LateAnswer<vault::RefreshResult>;

}  // namespace

Awaitable<bool> refresh_tokens(Worker& worker, std::vector<StaleToken> tokens,
                               vault::RefreshReason reason) {
  std::vector<std::shared_ptr<Answer>> answers;
  std::vector<std::unique_ptr<Answer::Waiting>> waiting;
  for (const StaleToken& token : tokens) {
    auto answer = std::make_shared<Answer>(worker.io.get_executor());
    waiting.push_back(std::make_unique<Answer::Waiting>(*answer));
    TokenSource::Done done = [answer](vault::RefreshResult result) {
      Answer::tell(answer, std::move(result));
    };
    worker.options.tokens->refresh(token.name, token.version, reason, std::move(done));
    answers.push_back(std::move(answer));
  }
  bool all = true;
  const auto began = worker.clock.steady();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool useless = tokens[i].ended || reason == vault::RefreshReason::kRejected;
    const auto give_up = began + (useless ? kWhileEnded : kWhileGood);
    while (!waiting[i]->value() && worker.clock.steady() < give_up) {
      const auto left = std::chrono::ceil<Millis>(give_up - worker.clock.steady());
      (void)co_await waiting[i]->wait(left);
    }
    std::optional<vault::RefreshResult>& result = waiting[i]->value();
    if (result && *result) {
      worker.resolver.take(tokens[i].name, std::move(**result));
      continue;
    }
    all = false;
    vault::RefreshRefusal none{vault::RefreshRefusal::Why::kBusy, "it takes longer than usual"};
    worker.resolver.take(tokens[i].name, result ? std::move(result->error()) : std::move(none),
                         worker.clock.wall_ms());
  }
  co_return all;
}

}  // namespace av::proxy
