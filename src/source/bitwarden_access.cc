#include "source/bitwarden_access.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/aac_channel.h"
#include "source/aac_pairing.h"
#include "source/bitwarden_reference.h"
#include "source/ours.h"
#include "source/store_url.h"
#include "vault/canonical.h"

namespace av::source {
namespace {

// The nil UUID: no item has it, so the other device answers by itself that it has none.
constexpr std::string_view kNobody = "00000000-0000-0000-0000-000000000000";

class BitwardenAccess final : public Provider {
 public:
  BitwardenAccess(std::string url, vault::StoreSecrets secrets, const Ports& ports)
      : url_(std::move(url)), secrets_(std::move(secrets)), ports_(ports) {}

  Result<About> pair() override;
  Result<About> test() override;
  Result<Record> fetch(const std::string& item) override;
  [[nodiscard]] std::string item_of_host(std::string_view host) const override {
    return bitwarden_item_of_host(host);
  }

 private:
  Result<AacChannel*> channel();
  Result<Record> ask(const AacQuery& query);

  const std::string url_;
  std::mutex opening_;  // guards what follows; not held while anybody is asked
  vault::StoreSecrets secrets_;
  std::unique_ptr<AacChannel> channel_;
  const Ports& ports_;
};

std::string name_of(const Fingerprint& device) {
  return "device " + encoding::hex(std::span(device).first(6));
}

Result<About> BitwardenAccess::pair() {
  const std::lock_guard lock(opening_);
  const auto token = secrets_.find("token");
  if (token == secrets_.end()) {
    return failure(Failure::Why::kInvalid, "there is no pairing code",
                   "run `aac listen --psk` or `aac listen` on the device that has the vault");
  }
  AV_TRY(AacPairing done, pair_devices(url_, token->second, ports_));
  About out;
  out.account = name_of(done.peer);
  if (!done.fingerprint.empty()) {
    out.detail = "compare: the other device must show " + done.fingerprint +
                 "; approve it there only then, and disconnect this store if it shows another";
  }
  if (ports_.keep) {
    AV_CHECK(ours(ports_.keep(done.secrets)));
  }
  secrets_ = std::move(done.secrets);
  channel_.reset();
  return out;
}

Result<AacChannel*> BitwardenAccess::channel() {
  const std::lock_guard lock(opening_);
  if (channel_ == nullptr) {
    AV_TRY(channel_, AacChannel::of_secrets(url_, secrets_, ports_));
  }
  return channel_.get();
}

Result<Record> BitwardenAccess::ask(const AacQuery& query) {
  AV_TRY(AacChannel* const to, channel());
  return to->ask(query);
}

Result<About> BitwardenAccess::test() {
  AV_TRY(AacChannel* const to, channel());
  AacQuery query;
  query.kind = "id";
  query.text = kNobody;
  const auto answer = to->ask(query);
  if (!answer && answer.error().why != Failure::Why::kNotFound &&
      answer.error().why != Failure::Why::kDenied) {
    return answer.error();
  }
  About out;
  out.account = name_of(to->peer());
  out.detail = "it answers through the relay";
  return out;
}

Result<Record> BitwardenAccess::fetch(const std::string& item) {
  const BitwardenItem parts = bitwarden_item(item);
  AacQuery query;
  query.kind = parts.kind;
  query.text = parts.text;
  return ask(query);
}

constexpr Setting kSettings[] = {
    {.name = "url",
     .help = "WebSocket URL of the relay",
     .variable = "BITWARDEN_PROXY_URL",
     .fallback = "wss://ap.lesspassword.dev"},
    {.name = "token",
     .help = "what `aac listen --psk` prints (129 characters), or the code of `aac listen` "
             "(ABC-DEF-GHI)",
     .secret = true,
     .required = true},
};

// What is said through it is sealed between the devices. Who reads ws:// on the way learns who
// talks to whom, and can cut it.
Result<void> check_relay(std::string_view url, bool plain) {
  const bool clear = url.starts_with("ws://");
  if (!clear && !url.starts_with("wss://")) {
    return failure(Failure::Why::kInvalid, "the setting url is not a wss:// URL",
                   "leave it out to use " + std::string(kSettings[0].fallback));
  }
  url.remove_prefix(url.find("://") + 3);
  const auto authority = vault::parse_authority(url.substr(0, url.find_first_of("/?#")), 443);
  if (!authority) {
    return failure(Failure::Why::kInvalid,
                   "the setting url has no host: " + authority.error().message);
  }
  if (clear && !plain && !is_this_machine(authority->host)) {
    return failure(Failure::Why::kRefused, "ws:// is for a relay on this machine",
                   std::string(kPlainHttpHint));
  }
  return {};
}

Result<std::unique_ptr<Provider>> make(const vault::ExternalStore& store,
                                       vault::StoreSecrets secrets, const Ports& ports) {
  const auto url = store.settings.find("url");
  const std::string where = url == store.settings.end() || url->second.empty()
                                ? std::string(kSettings[0].fallback)
                                : url->second;
  AV_TRY(const bool plain, plain_http(store));
  AV_CHECK(check_relay(where, plain));
  if (ports.websockets == nullptr || ports.clock == nullptr) {
    return failure(Failure::Why::kInvalid, "WebSockets are not available here");
  }
  if (const auto token = secrets.find("token"); token != secrets.end()) {
    AV_CHECK(check_pairing_token(token->second));
  } else {
    AV_CHECK(AacChannel::of_secrets(where, secrets, ports));
  }
  return std::unique_ptr<Provider>(
      std::make_unique<BitwardenAccess>(where, std::move(secrets), ports));
}

}  // namespace

const Kind kBitwardenAccess = {
    .id = "bitwarden",
    .title = "Bitwarden (Agent Access)",
    .scheme = "bw",
    .example = "bw://domain/github.com#password",
    .settings = kSettings,
    .parse = parse_bitwarden_access,
    .make = make,
    .finds_by_host = true,
};

}  // namespace av::source
