#include "cmd/run_locally.h"

#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <memory>

#include "cmd/agent_session.h"
#include "cmd/agent_setup.h"
#include "cmd/api_setup.h"
#include "cmd/approval_desk.h"
#include "cmd/child_env.h"
#include "cmd/egress_settings.h"
#include "cmd/find_named.h"
#include "cmd/follow_barrier.h"
#include "cmd/journal_closer.h"
#include "cmd/launch_spec.h"
#include "cmd/listener.h"
#include "cmd/login_capture.h"
#include "cmd/output.h"
#include "cmd/run_directory.h"
#include "cmd/run_supervisor.h"
#include "cmd/store_env.h"
#include "cmd/store_keeper.h"
#include "cmd/token_audit.h"
#include "cmd/token_keeper.h"
#include "isolation/launcher.h"
#include "proxy/proxy_server.h"
#include "store/limit_table.h"
#include "vault/token.h"

namespace av::cmd {
namespace {

constexpr int kRefreshThreads = 2;
constexpr Millis kAuthorityLifetime{std::int64_t{7} * 24 * 3600 * 1000};

// One run, from the open store to the end of the command.
class Session {
 public:
  explicit Session(LocalRun run)
      : context_(run.context),
        argv_(run.argv),
        options_(run.options),
        launcher_(run.launcher),
        directory_(run.directory),
        bundle_(std::move(run.bundle)),
        closer_(run.closer),
        run_id_("run_" + crypto::random_hex(8)) {}

  Expected<Outcome> run();
  // The errno of exec when the command could not be run.
  [[nodiscard]] int exec_error() const { return exec_error_; }

 private:
  Status load();
  proxy::SessionGrant make_grant();
  Status start_proxy();
  Status open_doors(proxy::ProxyOptions& options);
  Expected<isolation::LaunchSpec> make_spec();
  Expected<Outcome> launch_and_wait(RunSupervisor& supervisor);
  void end(const Expected<Outcome>& outcome);
  Status audit(std::string_view event, std::string detail);
  void tick();
  Expected<std::unique_ptr<OwnedApi>> make_api();
  void follow_store();
  bool follow_policy();
  bool reload_policy();
  Status make_login_capture(const proxy::SessionGrant& grant);
  LoginCapture::Around around();
  bool follow_rename();

  Context& context_;
  const std::vector<std::string>& argv_;
  const RunOptions& options_;
  isolation::Launcher& launcher_;
  const RunDirectory& directory_;
  std::string bundle_;
  JournalCloser& closer_;
  std::string run_id_;
  int exec_error_ = 0;
  std::string vault_;
  std::string vault_uid_;
  vault::SnapshotPtr snapshot_;
  std::optional<vault::Agent> principal_;  // whom the run acts for, as it was at the start
  std::optional<AgentSession> agent_session_;
  Placeholders placeholders_;  // of the whole run, whatever becomes of the vault
  AgentLogins logins_;
  std::uint64_t change_counter_ = 0;
  std::unique_ptr<store::AuditJournal> journal_;
  std::uint16_t port_ = 0;        // of the proxy, where the command is
  std::uint16_t outer_port_ = 0;  // of the pages, where the user is
  std::unique_ptr<isolation::PortBridge> bridge_;
  Secret token_;
  std::optional<AgentSetup> agent_;
  std::shared_ptr<StoreDesk> desk_ = std::make_shared<StoreDesk>();
  std::shared_ptr<LazyApi> api_ = std::make_shared<LazyApi>();
  std::shared_ptr<TokenKeeper> tokens_;
  std::shared_ptr<StoreKeeper> stores_;
  std::shared_ptr<LoginCapture> captures_;
  FollowBarrier barrier_;
  std::string authority_pem_;
  std::unique_ptr<proxy::ProxyServer> proxy_;
};

Expected<Outcome> Session::run() {
  AV_CHECK(load());
  // Before the threads of the journal and of the proxy: they must not take signals.
  AV_TRY(const SignalGate signals, SignalGate::create());
  AV_TRY(auto chain,
         store::RootChain::open(context_.paths.audit(), *context_.store, *context_.clock));
  AV_TRY(journal_, store::AuditJournal::create(context_.paths.audit(), run_id_, std::move(chain)));
  // Before the proxy starts: from then on the journal is its worker's.
  AV_CHECK(audit("run.start",
                 "command " + std::filesystem::path(argv_.front()).filename().string() +
                     ", isolation " + std::string(isolation::to_string(launcher_.level()))));
  AV_CHECK(start_proxy());
  // Before the command runs: a shell takes the terminal at once.
  RunSupervisor supervisor(launcher_, signals, [this] { tick(); });
  Expected<Outcome> outcome = launch_and_wait(supervisor);
  end(outcome);
  supervisor.finish();
  return outcome;
}

// The proxy's end and the record of it need not wait for the last process of the run: none can use
// a credential any more.
void Session::end(const Expected<Outcome>& outcome) {
  barrier_.end();
  bridge_.reset();
  api_->stop();
  proxy_.reset();
  if (captures_ != nullptr) {
    captures_->end(around());  // what a provider gave a moment ago is not lost
    for (const std::string& provider : captures_->uncaptured()) {
      notice(context_, "a program of this run logged in at " + provider +
                           " itself, and holds the tokens; with --capture-logins the vault does");
    }
  }
  desk_->pump(*context_.store);  // nobody need decide any more
  if (tokens_ != nullptr) {
    tokens_->stop();
    audit_refreshes(context_, *tokens_);
  }
  if (stores_ != nullptr) {
    stores_->stop();
    stores_->note_events(context_);
  }
  if (agent_session_) {
    agent_session_->end(*context_.store);
  }
  std::string how = "failed to start";
  if (outcome) {
    how = outcome->signal != 0 ? "signal " + std::to_string(outcome->signal)
                               : "exit " + std::to_string(outcome->exit_code);
  }
  if (const Status ended = audit("run.end", how); !ended) {
    warn(context_, "the end of the run is not in the audit log: " + ended.error().message);
  }
  closer_.close(std::move(journal_));
}

Status Session::load() {
  AV_CHECK(context_.open_store());
  AV_TRY(vault_, context_.vault_name());
  AV_TRY(change_counter_, context_.store->change_counter());
  AV_TRY(snapshot_, context_.store->load_snapshot(vault_));
  vault_uid_ = snapshot_->vault_uid;
  if (!options_.agent.empty()) {
    AV_TRY(principal_, find_agent_of_run(*context_.store, *snapshot_, options_.agent));
  }
  placeholders_ = make_placeholders(*snapshot_);
  logins_ = logins_of(*context_.store, *snapshot_, placeholders_);
  return {};
}

proxy::SessionGrant Session::make_grant() {
  proxy::SessionGrant grant;
  grant.token_hash = vault::hash_of(token_);
  grant.principal.run_id = run_id_;
  grant.vault = vault_;
  grant.placeholders = std::make_shared<const vault::PlaceholderIndex>(index_of(placeholders_));
  grant.logins = local_logins(logins_, context_.clock->wall_ms());
  if (options_.ttl) {
    grant.expires_ms = context_.clock->wall_ms() + options_.ttl->count();
  }
  if (principal_) {
    grant.principal.agent = principal_->name;
    grant.principal.agent_uid = principal_->uid;
    grant.agent_rotated_ms = principal_->rotated_ms;
    store::SessionInfo info;
    info.id = run_id_;
    info.agent = principal_->name;
    info.agent_uid = principal_->uid;
    info.vault = vault_;
    info.created_ms = context_.clock->wall_ms();
    info.expires_ms = grant.expires_ms;
    agent_session_.emplace(context_.paths, std::move(info), grant.token_hash);
  }
  return grant;
}

Status Session::start_proxy() {
  AV_TRY(proxy::CertificateAuthority authority,
         proxy::CertificateAuthority::create("agent-vault " + run_id_, kAuthorityLifetime,
                                             *context_.clock));
  authority_pem_ = authority.certificate_pem();
  bundle_ += authority_pem_;
  AV_TRY(token_, vault::make_token(vault::kSessionToken));
  proxy::ProxyOptions options;
  AV_CHECK(open_doors(options));
  options.net = options_.net;
  options.upstream_ca_files = options_.upstream_ca;
  options.unmatched_override = options_.unmatched;
  options.egress = options_.egress;
  options.connect_timeout = options_.connect_timeout.value_or(options.connect_timeout);
  options.header_timeout = options_.header_timeout.value_or(options.header_timeout);
  options.limits = std::make_shared<store::LimitTable>(context_.paths.limits());
  options.approvals = desk_;
  options.api = api_;
  tokens_ = std::make_shared<TokenKeeper>(
      Reach{options_.net, options_.upstream_ca, options_.egress}, kRefreshThreads, *context_.clock);
  AV_CHECK(tokens_->prepare(*snapshot_, *context_.store));
  warn_of_damaged_tokens(context_, snapshot_->vault_name);
  options.tokens = tokens_;
  stores_ = std::make_shared<StoreKeeper>(options_.net, context_.paths, *context_.clock);
  if (launcher_.level() == isolation::Level::kOff) {
    stores_->allow_uncovered();
  }
  AV_CHECK(stores_->prepare(*snapshot_, *context_.store));
  options.values = stores_;
  options.lanes = std::make_shared<store::AgentLanes>(context_.paths);
  proxy::SessionGrant grant = make_grant();
  AV_CHECK(make_login_capture(grant));
  options.logins = captures_;
  AV_TRY(proxy_,
         proxy::ProxyServer::start(
             std::move(options),
             std::make_shared<const proxy::CertificateAuthority>(std::move(authority)),
             std::move(grant), snapshot_, context_.store->key_ring(), *journal_, *context_.clock));
  return {};
}

// Where the command has a network of its own, the broker listens in there; the pages for the user
// are outside all the same.
Status Session::open_doors(proxy::ProxyOptions& options) {
  if (!isolation::has_network(launcher_.level())) {
    AV_TRY(Listener listener, listen_on("127.0.0.1", 0));
    port_ = outer_port_ = listener.port;
    options.listeners.push_back(std::move(listener.fd));
    return {};
  }
  isolation::NetworkSockets inside = launcher_.take_sockets();
  AV_TRY(Listener proxy, listener_from(std::move(inside.proxy)));
  port_ = proxy.port;
  options.listeners.push_back(std::move(proxy.fd));
  options.direct_listeners = std::move(inside.doors);
  options.ssh_listeners = std::move(inside.ssh);
  options.names = std::move(inside.names);
  AV_TRY(Listener pages, listen_on("127.0.0.1", 0));
  outer_port_ = pages.port;
  options.api_listeners.push_back(std::move(pages.fd));
  AV_TRY(bridge_, connect_ports(options_.ports, std::move(inside.local), launcher_));
  return {};
}

Expected<isolation::LaunchSpec> Session::make_spec() {
  EnvBlock env(::environ);
  AV_CHECK(remove_store_variables(env, *context_.store, vault_, placeholders_));
  AV_CHECK(replace_secrets(env, *snapshot_, *context_.store->key_ring(), placeholders_));
  if (options_.egress != nullptr) {
    remove_proxy_password(env, *options_.egress);
  }
  AV_TRY(const auto bundle_file, directory_.write("ca.pem", bundle_));
  AV_TRY(std::string trust_store,
         write_trust_store(directory_, bundle_, env.get("PATH").value_or("")));
  add_proxy_access(env, {port_, token_, vault_, run_id_, bundle_file.string(),
                         std::move(trust_store), isolation::has_network(launcher_.level())});
  AV_TRY(AgentSetup agent,
         AgentSetup::create({argv_, launcher_.level(), options_.skill, *snapshot_, placeholders_,
                             logins_, context_.clock->wall_ms(), directory_},
                            env));
  agent_.emplace(std::move(agent));
  return make_launch_spec(context_, {argv_,
                                     run_id_,
                                     launcher_.level(),
                                     env,
                                     options_,
                                     directory_,
                                     *snapshot_,
                                     placeholders_,
                                     agent_->masked(),
                                     {}});
}

Expected<Outcome> Session::launch_and_wait(RunSupervisor& supervisor) {
  AV_TRY(isolation::LaunchSpec spec, make_spec());
  AV_TRY(exec_error_, launcher_.launch(spec));
  if (exec_error_ != 0) {
    return exec_failed(exec_error_, argv_.front());
  }
  spec.environment.clear();
  if (bridge_ != nullptr) {
    bridge_->start();
  }
  return supervisor.wait();
}

Status Session::audit(std::string_view event, std::string detail) {
  vault::AuditRecord record;
  record.time_ms = context_.clock->wall_ms();
  record.event = event;
  record.vault = vault_;
  record.agent = options_.agent;
  record.run = run_id_;
  record.detail = std::move(detail);
  return journal_->append(record);
}

Expected<std::unique_ptr<OwnedApi>> Session::make_api() {
  api::ApiOptions options;
  options.mode = api::Mode::kRun;
  options.base_url = "http://127.0.0.1:" + std::to_string(outer_port_);
  options.api_port = port_;
  options.proxy_port = port_;
  options.run_vault = vault_;
  options.ca_pem = [pem = authority_pem_] { return pem; };
  options.skill_text = skill_text();
  options.settle = [this] { barrier_.wait(); };
  options.limits = context_.limits();
  return OwnedApi::create(context_, run_id_, std::move(options));
}

// A run that is over before the first tick leaves no row, and none has to wait for one.
void Session::tick() {
  follow_store();
  audit_refreshes(context_, *tokens_);
  stores_->note_events(context_);
  api_->tick([this] { return make_api(); });
  if (agent_session_) {
    agent_session_->record(*context_.store);
  }
}

// What another process has changed takes effect here. A store that cannot be followed any more must
// not go on granting what it once said: the run is left without services.
void Session::follow_store() {
  const std::uint64_t waiting = barrier_.take();
  captures_->pump(around());
  desk_->pump(*context_.store);
  if (follow_policy()) {
    desk_->deliver();
    barrier_.done(waiting);
  }
}

// False: what holds now could not be read.
bool Session::follow_policy() {
  const auto counter = context_.store->change_counter();
  if (!counter || *counter == change_counter_) {
    return counter.has_value();
  }
  if (!reload_policy()) {
    return false;
  }
  change_counter_ = *counter;
  return true;
}

bool Session::reload_policy() {
  auto snapshot = context_.store->load_snapshot(vault_);
  if (!snapshot && snapshot.error().code == ErrorCode::kNotFound && follow_rename()) {
    snapshot = context_.store->load_snapshot(vault_);
  }
  if (!snapshot && snapshot.error().code == ErrorCode::kBusy) {
    return false;  // the next look will do
  }
  if (!snapshot) {
    warn(context_, "this run has lost its vault and its credentials: " + snapshot.error().message);
    auto nothing = std::make_shared<vault::PolicySnapshot>();
    nothing->vault_name = vault_;
    nothing->unmatched = vault::UnmatchedPolicy::kDeny;
    nothing->generation = ~std::uint64_t{0};
    snapshot = vault::SnapshotPtr(std::move(nothing));
  }
  snapshot_ = std::move(*snapshot);
  if (const Status prepared = tokens_->prepare(*snapshot_, *context_.store); !prepared) {
    warn(context_, "OAuth credentials are not refreshed: " + prepared.error().message);
  }
  if (const Status prepared = stores_->prepare(*snapshot_, *context_.store); !prepared) {
    warn(context_, "external stores are not asked: " + prepared.error().message);
  }
  if (proxy_ != nullptr) {
    proxy_->publish(snapshot_, context_.store->key_ring());
  }
  return true;
}

Status Session::make_login_capture(const proxy::SessionGrant& grant) {
  LoginCapture::Options options;
  options.capture = options_.capture_logins;
  options.run = run_id_;
  options.placeholders = &placeholders_;
  options.local = grant.logins;
  options.desk = desk_;
  captures_ = std::make_shared<LoginCapture>(std::move(options), *context_.clock);
  if (snapshot_->has_tokens()) {
    AV_TRY(const auto credentials, context_.store->list_oauth(vault_));
    captures_->take_kept(credentials, placeholders_);
  }
  return {};
}

LoginCapture::Around Session::around() {
  LoginCapture::Around around{context_, vault_,  {},
                              {},       nullptr, [this] { return reload_policy(); }};
  if (principal_) {
    around.agent = principal_->name;
    around.agent_uid = principal_->uid;
    around.principal = &*principal_;
  }
  return around;
}

// A vault keeps its uid when it is renamed.
bool Session::follow_rename() {
  const std::string name =
      vault_uid_.empty() ? std::string() : vault_of_uid(*context_.store, vault_uid_);
  if (!name.empty()) {
    vault_ = name;
  }
  return !name.empty();
}

}  // namespace

Expected<Outcome> run_locally(LocalRun run, int& exec_error) {
  Session session(std::move(run));
  Expected<Outcome> outcome = session.run();
  exec_error = session.exec_error();
  return outcome;
}

}  // namespace av::cmd
