#pragma once
// AacChannel: questions to a paired device, of any number of threads at once, over one connection
// to the relay that is made when it is needed and made again when it has died.
//
// There is no thread of its own: whoever waits for an answer and finds the connection free reads
// from it, for everybody; short slices, so that one who wants to ask need not wait for one who
// waits.

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "source/aac_link.h"
#include "source/aac_transport.h"

namespace av::source {

class AacChannel {
 public:
  static constexpr Millis kAnswer{30'000};  // a person may have to approve it
  static constexpr std::int64_t kSliceMs = 25;
  static constexpr std::size_t kMostWaiting = 64;

  // Of what a pairing has kept. kInvalid: that is damaged. `ports` must outlive it.
  static Result<std::unique_ptr<AacChannel>> of_secrets(std::string url,
                                                        const vault::StoreSecrets& secrets,
                                                        const Ports& ports);

  [[nodiscard]] Result<Record> ask(const AacQuery& query);
  [[nodiscard]] const Fingerprint& peer() const { return peer_; }

 private:
  struct Question {
    std::optional<Result<Record>> answer;
    int unreadable = 0;      // packets that did not open while it was waiting
    bool link_lost = false;  // before an answer came
  };
  using TimePoint = std::chrono::steady_clock::time_point;

  AacChannel(std::string url, Secret seed, RelayIdentity identity, Fingerprint peer,
             AacTransport transport, const Ports& ports);
  Result<Record> ask_once(const AacQuery& query, TimePoint until, bool& again);
  // With the link taken:
  Result<void> transmit(const AacQuery& query, const std::string& id, bool& reused);
  void listen();
  Status keep();
  void lose_link(const Failure& why);

  const std::string url_;
  Secret seed_;
  const RelayIdentity identity_;
  const Fingerprint peer_;
  const Ports& ports_;

  // Both belong to the thread that has set busy_.
  std::unique_ptr<AacLink> link_;
  AacTransport transport_;

  std::mutex mutex_;  // guards what follows; never held while the network is waited for
  std::condition_variable changed_;
  bool busy_ = false;
  int asking_ = 0;  // threads that wait for the link to ask; they go first
  std::map<std::string, Question*> waiting_;
};

}  // namespace av::source
