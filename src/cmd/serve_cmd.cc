#include <openssl/ssl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cmd/agent_setup.h"
#include "cmd/api_setup.h"
#include "cmd/approval_desk.h"
#include "cmd/cli.h"
#include "cmd/follow_barrier.h"
#include "cmd/journal_closer.h"
#include "cmd/listener.h"
#include "cmd/option_set.h"
#include "cmd/output.h"
#include "cmd/provider_http.h"
#include "cmd/run_supervisor.h"
#include "cmd/serve_options.h"
#include "cmd/store_ca.h"
#include "cmd/store_keeper.h"
#include "cmd/tenant_plan.h"
#include "cmd/token_audit.h"
#include "cmd/token_keeper.h"
#include "proxy/metrics.h"
#include "proxy/proxy_server.h"
#include "proxy/tenants.h"
#include "store/agent_lanes.h"
#include "store/limit_table.h"
#include "vault/canonical.h"

namespace av::cmd {
namespace {

constexpr std::chrono::milliseconds kTick{100};
constexpr int kRefreshThreads = 4;

// What the proxy and the keeper of external stores count, for the API.
class ServeMetrics final : public api::MetricsSource {
 public:
  explicit ServeMetrics(std::shared_ptr<const proxy::Metrics> metrics)
      : metrics_(std::move(metrics)) {}
  void add(std::shared_ptr<StoreKeeper> stores) { stores_ = std::move(stores); }
  std::string metrics() override { return metrics_->text() + stores_->metrics(); }

 private:
  std::shared_ptr<const proxy::Metrics> metrics_;
  std::shared_ptr<StoreKeeper> stores_;  // before the API begins
};

// A leaf lives for a day and the server for months.
class RenewedLeaf {
 public:
  RenewedLeaf(std::shared_ptr<const proxy::CertificateAuthority> authority, std::string host,
              const Clock& clock)
      : authority_(std::move(authority)), host_(std::move(host)), clock_(clock) {}

  Status renew() {
    static constexpr std::array<std::string_view, 3> kHere{"localhost", "127.0.0.1", "::1"};
    AV_TRY(context_, authority_->make_leaf_context(host_, clock_, kHere));
    made_ms_ = clock_.wall_ms();
    return {};
  }
  // On the proxy's thread. One that could not be renewed is better than none.
  SSL_CTX* context() {
    if (const std::int64_t age = clock_.wall_ms() - made_ms_; age > kRenewMs || age < 0) {
      (void)renew();
    }
    return context_.get();
  }

 private:
  static constexpr std::int64_t kRenewMs = std::int64_t{12} * 3600 * 1000;
  std::shared_ptr<const proxy::CertificateAuthority> authority_;
  std::string host_;
  const Clock& clock_;
  ossl::SslCtx context_;
  std::int64_t made_ms_ = 0;
};

// One `serve`, from the open store to the signal that ends it.
class Server {
 public:
  Server(Context& context, const ServeOptions& options, JournalCloser& closer)
      : context_(context),
        options_(options),
        closer_(closer),
        id_("serve_" + crypto::random_hex(8)) {}

  Status run();

 private:
  Status open_listeners();
  Status start();
  Expected<std::unique_ptr<OwnedApi>> make_api(const proxy::CertificateAuthority& authority);
  Status audit(std::string_view event, std::string detail);
  void announce() const;
  Status wait_for_end(const SignalGate& signals);
  void tick();
  bool follow_store();
  Status prepare_keepers(const proxy::TenantPlan& plan);
  void end();
  Expected<std::function<SSL_CTX*()>> make_tls(
      std::shared_ptr<const proxy::CertificateAuthority> authority) const;
  [[nodiscard]] std::string api_host() const;
  [[nodiscard]] std::string api_url() const;

  Context& context_;
  const ServeOptions& options_;
  JournalCloser& closer_;
  std::string id_;
  Listener api_listener_;
  Listener proxy_listener_;
  std::uint64_t change_counter_ = 0;
  bool store_was_lost_ = false;
  std::unique_ptr<store::AuditJournal> journal_;
  std::shared_ptr<proxy::Metrics> metrics_ = std::make_shared<proxy::Metrics>();
  ServeMetrics metrics_source_{metrics_};
  FollowBarrier barrier_;
  std::shared_ptr<OwnedApi> api_;
  std::shared_ptr<StoreDesk> desk_ = std::make_shared<StoreDesk>();
  std::shared_ptr<TokenKeeper> tokens_;
  std::shared_ptr<StoreKeeper> stores_;
  std::unique_ptr<proxy::ProxyServer> proxy_;
};

Status Server::run() {
  AV_CHECK(context_.open_store());
  AV_CHECK(open_listeners());
  // Before the threads of the journal and of the proxy: they must not take signals.
  AV_TRY(const SignalGate signals, SignalGate::create());
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  AV_TRY(auto chain,
         store::RootChain::open(context_.paths.audit(), *context_.store, *context_.clock));
  AV_TRY(journal_, store::AuditJournal::create(context_.paths.audit(), id_, std::move(chain)));
  AV_CHECK(audit("serve.start", "API on " + api_url() + ", proxy on port " +
                                    std::to_string(proxy_listener_.port)));
  AV_CHECK(start());
  announce();
  tell_service_manager("READY=1");
  const Status waited = wait_for_end(signals);
  tell_service_manager("STOPPING=1");
  end();
  return waited;
}

Status Server::open_listeners() {
  AV_TRY(auto given, given_listeners());
  for (GivenListener& one : given) {
    if (one.name == "proxy") {
      proxy_listener_ = std::move(one.listener);
    } else if (one.name == "api") {
      api_listener_ = std::move(one.listener);
    } else {
      return make_error(ErrorCode::kInvalid,
                        "the service manager gave a socket named '" + one.name + "'",
                        "FileDescriptorName= of the socket units: api and proxy");
    }
  }
  if (!api_listener_.fd.valid()) {
    AV_TRY(api_listener_, listen_on(options_.host, options_.port));
  }
  if (!proxy_listener_.fd.valid()) {
    AV_TRY(proxy_listener_, listen_on(options_.proxy_host, options_.proxy_port));
  }
  return {};
}

std::string Server::api_url() const {
  if (!options_.base_url.empty()) {
    return options_.base_url;
  }
  const bool v6 = options_.host.find(':') != std::string::npos;
  return std::string(options_.tls ? "https://" : "http://") + (v6 ? "[" : "") + options_.host +
         (v6 ? "]" : "") + ":" + std::to_string(api_listener_.port);
}

// By what people reach it: what the certificate must be for.
std::string Server::api_host() const {
  const std::size_t scheme = options_.base_url.find("://");
  if (scheme == std::string::npos) {
    return options_.host;
  }
  const auto named = vault::parse_authority(options_.base_url.substr(scheme + 3), 443);
  return named ? named->host : options_.host;
}

Expected<std::function<SSL_CTX*()>> Server::make_tls(
    std::shared_ptr<const proxy::CertificateAuthority> authority) const {
  if (!options_.tls) {
    return std::function<SSL_CTX*()>();
  }
  if (options_.tls_cert.empty()) {
    auto leaf = std::make_shared<RenewedLeaf>(std::move(authority), api_host(), *context_.clock);
    AV_CHECK(leaf->renew());
    return std::function<SSL_CTX*()>([leaf] { return leaf->context(); });
  }
  ossl::SslCtx context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_use_certificate_chain_file(context.get(), options_.tls_cert.c_str()) != 1) {
    return make_error(
        ErrorCode::kInvalid,
        "cannot use the certificate in " + options_.tls_cert + ": " + ossl::drain_errors(),
        "--tls-cert takes a PEM file: the certificate, then its chain");
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), options_.tls_key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return make_error(
        ErrorCode::kInvalid,
        "cannot use the private key in " + options_.tls_key + ": " + ossl::drain_errors(),
        "--tls-key takes the PEM file of the key that belongs to the certificate");
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  const auto kept = std::make_shared<const ossl::SslCtx>(std::move(context));
  return std::function<SSL_CTX*()>([kept] { return kept->get(); });
}

Status Server::start() {
  AV_TRY(proxy::CertificateAuthority loaded, load_or_make_ca(context_));
  const auto authority = std::make_shared<const proxy::CertificateAuthority>(std::move(loaded));
  AV_TRY(change_counter_, context_.store->change_counter());
  std::optional<Error> problem;
  AV_TRY(auto plan, make_tenant_plan(*context_.store, problem));
  if (problem) {
    return std::move(*problem);
  }
  proxy::ProxyOptions options;
  options.listeners.push_back(std::move(proxy_listener_.fd));
  options.api_listeners.push_back(std::move(api_listener_.fd));
  AV_TRY(options.api_tls, make_tls(authority));
  options.metrics = metrics_;
  stores_ = std::make_shared<StoreKeeper>(options_.traffic.net, context_.paths, *context_.clock);
  // The pages may ask for stores of a vault that no agent has used.
  AV_CHECK(stores_->open_store(*context_.store));
  metrics_source_.add(stores_);
  AV_TRY(api_, make_api(*authority));
  options.api = api_;
  options.net = options_.traffic.net;
  options.upstream_ca_files = options_.traffic.upstream_ca;
  options.unmatched_override = options_.traffic.unmatched;
  options.egress = options_.traffic.egress;
  options.connect_timeout = options_.traffic.connect_timeout.value_or(options.connect_timeout);
  options.header_timeout = options_.traffic.header_timeout.value_or(options.header_timeout);
  options.limits = std::make_shared<store::LimitTable>(context_.paths.limits());
  options.approvals = desk_;
  tokens_ = std::make_shared<TokenKeeper>(
      Reach{options_.traffic.net, options_.traffic.upstream_ca, options_.traffic.egress},
      kRefreshThreads, *context_.clock);
  // The pages may ask for tokens of a vault that no agent has used.
  AV_CHECK(tokens_->open(*context_.store));
  AV_CHECK(prepare_keepers(*plan));
  warn_of_damaged_tokens(context_, {});
  options.tokens = tokens_;
  options.values = stores_;
  options.lanes = std::make_shared<store::AgentLanes>(context_.paths);
  AV_TRY(proxy_, proxy::ProxyServer::start_shared(std::move(options), authority, std::move(plan),
                                                  *journal_, *context_.clock));
  return {};
}

Expected<std::unique_ptr<OwnedApi>> Server::make_api(const proxy::CertificateAuthority& authority) {
  AV_CHECK(barrier_.open());
  api::ApiOptions options;
  options.mode = api::Mode::kServe;
  options.base_url = api_url();
  options.api_port = api_listener_.port;
  options.proxy_port = proxy_listener_.port;
  options.ca_pem = [pem = authority.certificate_pem()] { return pem; };
  options.skill_text = skill_text();
  options.settle = [this] { barrier_.wait(); };
  options.metrics = &metrics_source_;
  options.limits = context_.limits();
  const Reach reach{options_.traffic.net, options_.traffic.upstream_ca, options_.traffic.egress};
  options.provider_http = [reach, clock = context_.clock] {
    return Expected<std::unique_ptr<oauth::HttpPort>>(make_provider_http(reach, *clock));
  };
  options.refresh_token = [this](const vault::TokenName& name, std::uint64_t known,
                                 std::function<void(vault::RefreshResult)> done) {
    tokens_->refresh(name, known, vault::RefreshReason::kAsked, std::move(done));
  };
  options.sign_in = options_.sign_in;
  options.stores = stores_.get();
  options.cors_origins = options_.cors_origins;
  return OwnedApi::create(context_, id_, std::move(options));
}

void Server::announce() const {
  const std::string proxy = options_.proxy_host + ":" + std::to_string(proxy_listener_.port);
  if (context_.json) {
    print(context_.out, "{\"api\":\"" + api_url() + "\",\"proxy\":\"" + proxy + "\"}\n");
  } else {
    print(context_.out, "api    " + api_url() + "\nproxy  " + proxy + "\n");
  }
  std::fflush(context_.out);
}

Status Server::wait_for_end(const SignalGate& signals) {
  for (;;) {
    std::array<pollfd, 2> waiting{{{signals.fd(), POLLIN, 0}, {barrier_.fd(), POLLIN, 0}}};
    const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(kTick.count()));
    if (ready < 0 && errno != EINTR) {
      return errno_error(errno, "cannot wait for signals");
    }
    signalfd_siginfo info{};
    while (::read(signals.fd(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      const int number = static_cast<int>(info.ssi_signo);
      if (number == SIGTERM || number == SIGINT || number == SIGQUIT) {
        return {};
      }
      if (number == SIGHUP && ::isatty(STDIN_FILENO) == 1) {
        return {};  // the terminal is gone
      }
    }
    tick();
  }
}

void Server::tick() {
  const std::uint64_t waiting = barrier_.take();
  desk_->pump(*context_.store);
  audit_refreshes(context_, *tokens_);
  stores_->note_events(context_);
  if (follow_store()) {
    desk_->deliver();
    barrier_.done(waiting);
  }
}

Status Server::prepare_keepers(const proxy::TenantPlan& plan) {
  for (const vault::SnapshotPtr& snapshot : plan.snapshots()) {
    AV_CHECK(tokens_->prepare(*snapshot, *context_.store));
    AV_CHECK(stores_->prepare(*snapshot, *context_.store));
  }
  return {};
}

// False: what holds now could not be read. A store that cannot be read any more must not go on
// granting what it once said.
bool Server::follow_store() {
  const auto counter = context_.store->change_counter();
  if (counter && *counter == change_counter_) {
    return true;
  }
  std::optional<Error> problem;
  Expected<std::shared_ptr<const proxy::TenantPlan>> plan =
      counter ? make_tenant_plan(*context_.store, problem)
              : Expected<std::shared_ptr<const proxy::TenantPlan>>(counter.error());
  if (!plan && plan.error().code == ErrorCode::kBusy) {
    return false;  // the next look will do
  }
  if (plan) {
    change_counter_ = *counter;
    store_was_lost_ = false;
    if (problem) {
      warn(context_, "a vault cannot be read and serves nobody: " + problem->message);
    }
    if (const Status prepared = prepare_keepers(**plan); !prepared) {
      warn(context_, "OAuth credentials or external stores: " + prepared.error().message);
    }
    proxy_->publish(std::move(*plan));
    return true;
  }
  if (!store_was_lost_) {
    store_was_lost_ = true;
    warn(context_, "the store cannot be read, so nobody is served: " + plan.error().message);
    proxy_->publish(std::make_shared<const proxy::TenantPlan>(context_.store->key_ring()));
  }
  return false;
}

void Server::end() {
  if (options_.grace.count() > 0) {
    notice(context_, "ending; requests under way have " +
                         std::to_string(options_.grace.count() / 1000) + " s");
  }
  barrier_.end();
  api_->stop();  // long polls end, so that nothing waits for them
  proxy_->stop(options_.grace);
  proxy_.reset();
  api_.reset();
  desk_->pump(*context_.store);  // nobody need decide any more
  tokens_->stop();
  audit_refreshes(context_, *tokens_);
  stores_->stop();
  stores_->note_events(context_);
  if (const Status ended = audit("serve.end", "signal"); !ended) {
    warn(context_, "the end is not in the audit log: " + ended.error().message);
  }
  closer_.close(std::move(journal_));
}

Status Server::audit(std::string_view event, std::string detail) {
  vault::AuditRecord record;
  record.time_ms = context_.clock->wall_ms();
  record.event = event;
  record.run = id_;
  record.detail = std::move(detail);
  return journal_->append(record);
}

Run set_up_serve(OptionSet& app) {
  const auto words = std::make_shared<ServeWords>();
  add_serve_options(app, *words);
  return [words](Context& context) -> Expected<int> {
    if (context.paths.data.empty()) {
      AV_TRY(context.paths, fs::default_paths());
    }
    AV_TRY(const ServeOptions options,
           resolve_serve_options(*words, context.paths.config_file(), std::getenv));
    JournalCloser closer;
    AV_CHECK(Server(context, options, closer).run());
    context.store.reset();
    return 0;
  };
}

constexpr std::array kCommands{
    Command{"serve", "serve many agents and people: the API, the pages and one proxy",
            Needs::kNothing, &set_up_serve, true, true},
};

}  // namespace

std::span<const Command> serve_commands() {
  return kCommands;
}

}  // namespace av::cmd
