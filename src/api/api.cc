#include "api/api.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "api/call.h"
#include "api/cors.h"
#include "api/router.h"

namespace av::api {
namespace {

// How often those that wait are looked at, and the store asked whether it has changed.
constexpr std::chrono::milliseconds kTick{50};
// How long the end waits for what providers answer.
constexpr std::chrono::seconds kMostFinish{25};

proxy::LocalReply unavailable(std::string_view code, std::string message) {
  proxy::Fault why = fault(503, code, std::move(message), "try again");
  why.transient = true;
  why.retry_after = 1;
  return Reply(std::move(why)).take(/*secure=*/false);
}

}  // namespace

struct Api::Job {
  Job(proxy::ApiRequest from, Answer to, Gone left)
      : request(std::move(from)), answer(std::move(to)), gone(std::move(left)) {}

  void reply(Reply with) {
    proxy::LocalReply out = std::move(with).take(request.secure);
    add_cors_fields(out, request, call->options());
    answer(std::move(out), call->actor.kind != Actor::Kind::kNobody);
  }

  proxy::ApiRequest request;
  Answer answer;
  Gone gone;
  // Of a job that is parked.
  std::unique_ptr<Call> call;
  Parked parked;
  std::chrono::steady_clock::time_point due;
};

Api::Api(std::unique_ptr<store::Store> store, ApiOptions options, std::span<const Route> routes)
    : clock_(*options.clock),
      shared_(std::make_unique<Shared>(std::move(store), std::move(options))),
      router_(std::make_unique<Router>(routes.empty() ? route_table() : routes)) {
  thread_ = std::thread([this] { work(); });
  ::pthread_setname_np(thread_.native_handle(), "av-api");
}

Api::~Api() {
  stop();
}

void Api::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Api::handle(proxy::ApiRequest request, Answer answer, Gone gone) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && queue_.size() < kMaxQueued) {
      queue_.push_back(
          std::make_unique<Job>(std::move(request), std::move(answer), std::move(gone)));
      wake_.notify_one();
      return;
    }
  }
  answer(unavailable("busy", "too many requests are waiting"), /*known=*/false);
}

void Api::work() {
  for (;;) {
    std::unique_ptr<Job> job;
    bool stop = false;
    {
      std::unique_lock lock(mutex_);
      const auto ready = [&] { return stopping_ || !queue_.empty(); };
      if (parked_.empty()) {
        wake_.wait(lock, ready);
      } else {
        wake_.wait_for(lock, kTick, ready);
      }
      stop = stopping_;
      if (!queue_.empty()) {
        job = std::move(queue_.front());
        queue_.pop_front();
      }
    }
    if (stop) {
      if (job != nullptr) {
        job->answer(unavailable("stopping", "the broker is being stopped"), /*known=*/false);
        continue;
      }
      break;
    }
    if (job != nullptr) {
      serve(std::move(job));
    }
    if (!parked_.empty()) {
      // A new one is asked once more, behind a look at the counter: what was committed between its
      // own look and that one would wait for the next change otherwise.
      const bool changed = store_changed();
      poll(std::exchange(fresh_, false) || changed);
    }
  }
  std::erase_if(parked_, [](const std::unique_ptr<Job>& job) {
    if (!job->parked.finish) {
      job->answer(unavailable("stopping", "the broker is being stopped"), /*known=*/false);
    }
    return !job->parked.finish;
  });
  // What has been asked of a provider is seen to its end: no longer than the port takes.
  for (const auto end = std::chrono::steady_clock::now() + kMostFinish;
       !parked_.empty() && std::chrono::steady_clock::now() < end;) {
    poll(/*all=*/true);
    if (!parked_.empty()) {
      std::this_thread::sleep_for(kTick);
    }
  }
  for (const auto& job : parked_) {
    job->answer(unavailable("stopping", "the broker is being stopped"), /*known=*/false);
  }
  parked_.clear();
}

void Api::serve(std::unique_ptr<Job> job) {
  if (job->gone()) {
    return;
  }
  job->call = std::make_unique<Call>(*shared_, job->request);
  shared_->unsettled = false;
  Reply reply = router_->answer(*job->call);
  if (shared_->unsettled) {
    settle();
  }
  if (!reply.is_parked()) {
    job->reply(std::move(reply));
    return;
  }
  job->parked = std::move(reply.parked());
  job->due = clock_.steady() + std::chrono::seconds(job->parked.seconds);
  park(std::move(job));
}

void Api::settle() {
  if (shared_->options.settle) {
    shared_->options.settle();
  }
}

void Api::park(std::unique_ptr<Job> job) {
  const auto same = [&](const std::unique_ptr<Job>& other) {
    return !other->parked.eager && other->call->actor.words() == job->call->actor.words();
  };
  if (parked_.size() >= kMaxParked ||
      (!job->parked.eager && static_cast<std::size_t>(std::count_if(parked_.begin(), parked_.end(),
                                                                    same)) >= kMaxParkedEach)) {
    job->due = clock_.steady();  // what there is now
  }
  parked_.push_back(std::move(job));
  fresh_ = true;
}

bool Api::store_changed() {
  const auto counter = shared_->store->change_counter();
  const bool ours = std::exchange(shared_->changed, false);
  // When it cannot be read, asking is how one learns why.
  if (!counter || *counter != seen_) {
    seen_ = counter ? *counter : 0;
    return true;
  }
  return ours;
}

void Api::poll(bool all) {
  const auto now = clock_.steady();
  bool settled = false;  // once is enough: what they tell of is in the store
  std::erase_if(parked_, [&](const std::unique_ptr<Job>& job) {
    if (job->gone() && !job->parked.finish) {
      return true;
    }
    const bool last = now >= job->due;
    if (!all && !last && !job->parked.eager) {
      return false;
    }
    if (!job->parked.allowed) {
      if (auto allowed = router_->check_again(*job->call); !allowed) {
        job->reply(std::move(allowed.error()));
        return true;
      }
    }
    std::optional<Reply> reply = job->parked.poll(*job->call, last);
    if (reply && !settled) {
      settle();
      settled = true;
    }
    if (!reply) {
      return last && !job->parked.finish;  // never: a poll must answer the last time
    }
    job->reply(std::move(*reply));
    return true;
  });
}

}  // namespace av::api
