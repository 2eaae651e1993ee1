#include "source/aac_channel.h"

#include <algorithm>
#include <utility>

#include "source/ours.h"

namespace av::source {
namespace {

// Clocks of tests do not wake threads: every wait is looked after this often.
constexpr Millis kLook{50};

Failure damaged() {
  return failure(Failure::Why::kInvalid, "what was kept of the pairing is damaged or missing",
                 "pair the store again");
}

}  // namespace

AacChannel::AacChannel(std::string url, Secret seed, RelayIdentity identity, Fingerprint peer,
                       AacTransport transport, const Ports& ports)
    : url_(std::move(url)),
      seed_(std::move(seed)),
      identity_(std::move(identity)),
      peer_(peer),
      ports_(ports),
      transport_(std::move(transport)) {}

Result<std::unique_ptr<AacChannel>> AacChannel::of_secrets(std::string url,
                                                           const vault::StoreSecrets& secrets,
                                                           const Ports& ports) {
  const auto seed = secrets.find("identity");
  const auto device = secrets.find("peer");
  const auto state = secrets.find("channel");
  Fingerprint peer{};
  if (seed == secrets.end() || device == secrets.end() || state == secrets.end() ||
      device->second.size() != peer.size()) {
    return damaged();
  }
  device->second.reveal(
      [&](std::string_view bytes) { std::copy(bytes.begin(), bytes.end(), peer.begin()); });
  auto identity = RelayIdentity::of_seed(seed->second);
  auto transport = AacTransport::load(state->second);
  if (!identity || !transport) {
    return damaged();
  }
  AV_TRY(Secret own, ours(seed->second.clone()));
  return std::unique_ptr<AacChannel>(new AacChannel(
      std::move(url), std::move(own), std::move(*identity), peer, std::move(*transport), ports));
}

Status AacChannel::keep() {
  if (!transport_.changed() || !ports_.keep) {
    return {};
  }
  vault::StoreSecrets secrets;
  AV_TRY(Secret seed, seed_.clone());
  AV_TRY(Secret device, Secret::copy_of(peer_));
  AV_TRY(Secret state, transport_.save());
  secrets.emplace("identity", std::move(seed));
  secrets.emplace("peer", std::move(device));
  secrets.emplace("channel", std::move(state));
  return ports_.keep(secrets);
}

Result<void> AacChannel::transmit(const AacQuery& query, const std::string& id, bool& reused) {
  if (link_ != nullptr && link_->stale()) {
    link_.reset();
  }
  if (link_ == nullptr) {
    AV_TRY(link_, AacLink::open(*ports_.websockets, url_, identity_, *ports_.clock));
  }
  reused = link_->used();
  const std::int64_t now_ms = ports_.clock->wall_ms();
  const auto packet = transport_.seal(credential_query(query, id, now_ms), now_ms / 1'000);
  if (!packet) {
    return failure(Failure::Why::kDenied, packet.error().message, "pair the store again");
  }
  AV_CHECK(ours(keep()));
  return link_->send(peer_, credential_request(*packet));
}

void AacChannel::lose_link(const Failure& why) {
  link_.reset();
  const std::lock_guard lock(mutex_);
  for (auto& [id, question] : waiting_) {
    if (!question->answer) {
      question->answer = why;
      question->link_lost = true;
    }
  }
}

void AacChannel::listen() {
  if (link_ == nullptr) {
    lose_link(failure(Failure::Why::kUnreachable, "the connection to the relay is gone"));
    return;
  }
  const auto message = link_->receive(peer_, kSliceMs);
  if (!message) {
    lose_link(message.error());
    return;
  }
  if (!*message || (*message)->kind != AacMessage::Kind::kCredential) {
    return;
  }
  const std::int64_t now_ms = ports_.clock->wall_ms();
  const auto text = transport_.open((*message)->bytes, now_ms / 1'000);
  if (text) {
    // Kept or not, the answer is good; the same step is made again by the next one.
    static_cast<void>(keep());
  }
  std::optional<AacAnswer> answer;
  if (text) {
    answer = read_aac_answer(*text, now_ms);
  }
  const std::lock_guard lock(mutex_);
  if (!answer) {
    for (auto& [id, question] : waiting_) {
      ++question->unreadable;
    }
    return;
  }
  const auto found = waiting_.find(answer->request_id);
  if (found != waiting_.end() && !found->second->answer) {
    found->second->answer = std::move(answer->record);
  }
}

Result<Record> AacChannel::ask_once(const AacQuery& query, TimePoint until, bool& again) {
  const std::string id =
      "req-" + std::to_string(ports_.clock->wall_ms()) + "-" + crypto::random_hex(8);
  const auto late = [&] { return ports_.clock->steady() >= until; };
  Question question;
  bool reused = false;
  std::unique_lock lock(mutex_);
  if (waiting_.size() + static_cast<std::size_t>(asking_) >= kMostWaiting) {
    Failure busy = failure(Failure::Why::kBusy, "too many questions are open at the other device");
    busy.retry_ms = 1'000;
    return busy;
  }
  ++asking_;
  while (busy_ && !late()) {
    changed_.wait_for(lock, kLook);
  }
  --asking_;
  if (busy_) {
    return failure(Failure::Why::kTimeout, "the connection to the relay was busy for too long");
  }
  busy_ = true;
  waiting_.emplace(id, &question);
  lock.unlock();
  Result<void> sent = transmit(query, id, reused);
  if (!sent) {
    lose_link(sent.error());
  }
  lock.lock();
  busy_ = false;
  changed_.notify_all();
  while (!question.answer && !late()) {
    if (busy_ || asking_ > 0) {
      changed_.wait_for(lock, kLook);
      continue;
    }
    busy_ = true;
    lock.unlock();
    listen();
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
  waiting_.erase(id);
  if (question.answer) {
    // One that had been idle may have died unnoticed, before or while we spoke.
    again = question.link_lost && reused;
    return std::move(*question.answer);
  }
  if (question.unreadable > 0) {
    return failure(Failure::Why::kMalformed, "what the other device sends cannot be decrypted",
                   "pair the store again");
  }
  return failure(Failure::Why::kTimeout, "the other device did not answer in time",
                 "is `aac listen` running there, and does it wait for an approval?");
}

Result<Record> AacChannel::ask(const AacQuery& query) {
  const TimePoint until = ports_.clock->steady() + kAnswer;
  bool again = false;
  auto answer = ask_once(query, until, again);
  if (again) {
    answer = ask_once(query, until, again);
  }
  return answer;
}

}  // namespace av::source
