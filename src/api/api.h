#pragma once
// Api: what the broker answers about itself. Requests are answered one after the other on a thread
// of its own ("av-api"), which alone has the store that was given; at most kMaxQueued wait for it.
// Long polls are parked there, at most kMaxParked.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "api/options.h"
#include "proxy/api_handler.h"

namespace av::api {

struct Route;
class Router;
class Shared;

class Api final : public proxy::ApiHandler {
 public:
  static constexpr std::size_t kMaxQueued = 256;
  static constexpr std::size_t kMaxParked = 256;
  static constexpr std::size_t kMaxParkedEach = 8;  // of one actor

  // `store`: a connection for the API alone (Store::another()). `routes`: for tests of who may use
  // them; empty: route_table().
  Api(std::unique_ptr<store::Store> store, ApiOptions options, std::span<const Route> routes = {});
  // Answers what is under way, refuses what waits, ends the thread.
  ~Api() override;
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // Answers what waits and lets go of it; what comes later is refused. Before the server ends that
  // the answers go to. May be called twice.
  void stop();

  // From any thread. A full queue is 503 "busy".
  void handle(proxy::ApiRequest request, Answer answer, Gone gone) override;

 private:
  struct Job;
  void work();
  void serve(std::unique_ptr<Job> job);
  void park(std::unique_ptr<Job> job);
  // Asks those that wait; `all`: also those whose time is not up.
  void poll(bool all);
  [[nodiscard]] bool store_changed();
  void settle();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> queue_;  // guarded by mutex_
  bool stopping_ = false;                   // guarded by mutex_

  // The rest belongs to the thread.
  const Clock& clock_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Router> router_;
  std::vector<std::unique_ptr<Job>> parked_;
  std::uint64_t seen_ = 0;  // of the store's change counter
  bool fresh_ = false;      // something was parked that has not been polled yet
  std::thread thread_;
};

}  // namespace av::api
