#include "proxy/happy_eyeballs.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cerrno>
#include <memory>
#include <system_error>

#include "proxy/gateway_fault.h"

namespace av::proxy {
namespace {

tcp::endpoint to_asio(const Endpoint& endpoint) {
  asio::ip::address_v6::bytes_type bytes{};
  std::copy(endpoint.address.bytes.begin(), endpoint.address.bytes.end(), bytes.begin());
  const asio::ip::address_v6 v6(bytes);
  if (endpoint.address.is_v4()) {
    return {asio::ip::make_address_v4(asio::ip::v4_mapped, v6), endpoint.port};
  }
  return {v6, endpoint.port};
}

// How much a failure says about the upstream; a missing route says something about this machine.
enum class Telling : std::uint8_t { kNothing, kNoRoute, kTimeout, kFailed, kRefused };

Telling rank(Io io, int number) {
  if (io == Io::kTimeout || number == ETIMEDOUT) {
    return Telling::kTimeout;
  }
  if (number == ECONNREFUSED) {
    return Telling::kRefused;
  }
  const bool no_route = number == ENETUNREACH || number == EAFNOSUPPORT || number == EADDRNOTAVAIL;
  return no_route ? Telling::kNoRoute : Telling::kFailed;
}

// Shared by the race and its attempts: an attempt that was closed unwinds after the race is over.
struct Race {
  Race(Executor on, DeadlineList& list, std::vector<Endpoint> to)
      : executor(on), deadlines(list), endpoints(std::move(to)), wake(on) {}

  void note_failure(std::size_t index, Io io, int number) {
    const Telling telling = rank(io, number);
    if (telling > best) {
      best = telling;
      best_index = index;
      best_errno = number;
    }
  }

  Executor executor;
  DeadlineList& deadlines;
  const std::vector<Endpoint> endpoints;
  Timer wake;
  std::vector<Stream*> running;
  int unfinished = 0;
  UpstreamPtr winner;
  bool over = false;        // what still comes is dropped
  bool one_failed = false;  // since the race looked last
  bool stopping = false;    // the worker closes its streams
  Telling best = Telling::kNothing;
  std::size_t best_index = 0;
  int best_errno = 0;
};

Awaitable<void> attempt(std::shared_ptr<Race> race, std::size_t index, Millis timeout) {
  if (race->over) {
    co_return;
  }
  auto connection = std::make_unique<UpstreamConnection>(race->executor, race->deadlines);
  Stream& stream = connection->stream;
  race->running.push_back(&stream);
  const tcp::endpoint target = to_asio(race->endpoints[index]);
  const Io io = co_await stream.connect(target, timeout);
  std::erase(race->running, &stream);
  --race->unfinished;
  if (race->over) {
    co_return;
  }
  if (io == Io::kOk) {
    connection->address = to_string(race->endpoints[index]);
    race->winner = std::move(connection);
    race->over = true;
  } else {
    race->stopping = race->stopping || io == Io::kClosed;
    race->one_failed = true;
    race->note_failure(index, io, stream.connect_errno());
  }
  race->wake.cancel();
}

Fault fault_of(const Race& race, const std::string& name) {
  std::string where = name + " (" + to_string(race.endpoints[race.best_index]) + ')';
  const std::size_t others = race.endpoints.size() - 1;
  if (others != 0) {
    where += " and " + std::to_string(others) + (others == 1 ? " other address" : " others");
  }
  switch (race.best) {
    case Telling::kRefused:
      return gateway_fault("connect_refused", where + " refused the connection",
                           "check the host and the port", true);
    case Telling::kNothing:
    case Telling::kTimeout:
      return gateway_fault("connect_timeout", "connecting to " + where + " timed out", {}, true);
    case Telling::kNoRoute:
    case Telling::kFailed:
      break;
  }
  return gateway_fault(
      "connect_failed",
      "cannot connect to " + where + ": " + std::generic_category().message(race.best_errno), {},
      true);
}

}  // namespace

std::vector<Endpoint> interleave(const std::vector<Endpoint>& endpoints) {
  std::vector<Endpoint> first;
  std::vector<Endpoint> second;
  for (const Endpoint& endpoint : endpoints) {
    const bool same = endpoint.address.is_v4() == endpoints.front().address.is_v4();
    (same ? first : second).push_back(endpoint);
  }
  std::vector<Endpoint> turns;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    for (const std::vector<Endpoint>* const family : {&first, &second}) {
      if (i < family->size() && turns.size() < kMaxEndpoints) {
        turns.push_back((*family)[i]);
      }
    }
  }
  return turns;
}

Awaitable<Outcome<UpstreamPtr>> race_connect(Executor executor, DeadlineList& deadlines,
                                             std::vector<Endpoint> endpoints, std::string name,
                                             ConnectBudget budget, Millis attempt_delay) {
  auto race = std::make_shared<Race>(executor, deadlines, interleave(endpoints));
  const std::size_t count = race->endpoints.size();
  std::size_t next = 0;
  bool start = true;
  while (!race->over && !race->stopping && !budget.spent()) {
    if (start && next < count) {
      ++race->unfinished;
      asio::co_spawn(executor, attempt(race, next, budget.left()), asio::detached);
      ++next;
      start = false;
    }
    if (!race->one_failed && !race->over) {
      if (next == count && race->unfinished == 0) {
        break;
      }
      co_await sleep_for(race->wake,
                         next < count ? std::min(attempt_delay, budget.left()) : budget.left());
      // RFC 8305 section 5: the next attempt starts when the delay has passed or one has failed.
      start = true;
    }
    start = start || race->one_failed;
    race->one_failed = false;
  }
  race->over = true;
  for (Stream* const stream : race->running) {
    stream->close_truncated();
  }
  if (race->winner != nullptr) {
    co_return std::move(race->winner);
  }
  if (!race->running.empty()) {
    race->note_failure(next - 1, Io::kTimeout, 0);
  }
  co_return fault_of(*race, name);
}

}  // namespace av::proxy
