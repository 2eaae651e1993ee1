#include "cmd/remote_run.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>

#include "api/json_view.h"
#include "cmd/agent_setup.h"
#include "cmd/child_env.h"
#include "cmd/cli.h"
#include "cmd/duration.h"
#include "cmd/launch_spec.h"
#include "cmd/listener.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "cmd/remote_json.h"
#include "cmd/remote_proxy.h"
#include "cmd/remote_store.h"
#include "proxy/proxy_relay.h"

namespace av::cmd {
namespace {

using remote_json::Json;

constexpr int kEndSeconds = 10;  // the command has ended, and its user waits
// Of a session at the server, in seconds.
constexpr std::int64_t kLeastTtl = 300;
constexpr std::int64_t kMostTtl = std::int64_t{7} * 24 * 3600;

bool may_go_in_clear(const Context& context) {
  const char* const set = std::getenv("AGENT_VAULT_ALLOW_CLEARTEXT");
  return context.allow_cleartext || (set != nullptr && std::string_view(set) == "1");
}

class RemoteSession {
 public:
  explicit RemoteSession(RemoteRun run)
      : run_(std::move(run)), run_id_("run_" + crypto::random_hex(8)) {}
  ~RemoteSession() { end(); }
  RemoteSession(const RemoteSession&) = delete;
  RemoteSession& operator=(const RemoteSession&) = delete;

  Expected<Outcome> go(int& exec_error);

 private:
  Status open_session();
  Status start_relay(const SignalGate& signals);
  Status look_around();
  Expected<isolation::LaunchSpec> make_spec();
  void end();

  RemoteRun run_;
  std::string run_id_;
  std::optional<Remote> remote_;
  std::unique_ptr<RemoteStore> server_;
  std::string vault_;
  RemoteProxy proxy_;
  std::optional<Secret> session_;  // what the command gets
  bool minted_ = false;            // it is ours to end
  std::uint16_t port_ = 0;         // where the command finds the proxy
  std::uint16_t outer_port_ = 0;   // where we do: the command's network may be its own
  std::unique_ptr<proxy::ProxyRelay> relay_;
  std::unique_ptr<isolation::PortBridge> bridge_;
  vault::SnapshotPtr snapshot_;
  Placeholders placeholders_;
  std::optional<AgentSetup> agent_;
};

Expected<Outcome> RemoteSession::go(int& exec_error) {
  Context& context = run_.context;
  AV_TRY(remote_, find_remote(context));
  remote_->ca_files.insert(remote_->ca_files.end(), run_.server_cas.begin(), run_.server_cas.end());
  AV_TRY(ApiClient api, ApiClient::create(*remote_));
  server_ = std::make_unique<RemoteStore>(std::move(api));
  AV_TRY(proxy_, meet_proxy(context, *remote_, server_->api(), run_.ca_fingerprint));
  AV_TRY(vault_, context.vault_name_at(server_.get()));
  AV_CHECK(open_session());
  // Before any thread: they must not take signals.
  AV_TRY(const SignalGate signals, SignalGate::create());
  AV_CHECK(start_relay(signals));
  AV_CHECK(look_around());
  RunSupervisor supervisor(run_.launcher, signals, [] {});
  AV_TRY(isolation::LaunchSpec spec, make_spec());
  AV_TRY(exec_error, run_.launcher.launch(spec));
  if (exec_error != 0) {
    return exec_failed(exec_error, run_.argv.front());
  }
  spec.environment.clear();
  if (bridge_ != nullptr) {
    bridge_->start();
  }
  Expected<Outcome> outcome = supervisor.wait();
  end();
  supervisor.finish();
  return outcome;
}

// The command never holds the token of the one who runs it, but for a session's, which makes no
// others.
Status RemoteSession::open_session() {
  Json body = {{"label", "run " + run_id_}};
  if (!run_.options.agent.empty()) {
    body["agent"] = run_.options.agent;
  }
  if (run_.options.ttl) {
    const std::int64_t seconds = run_.options.ttl->count() / 1000;
    if (seconds < kLeastTtl || seconds > kMostTtl) {
      return usage_error("a session at a server lasts 5 minutes to 7 days",
                         "give --ttl in that range, or none for a day");
    }
    body["ttl_seconds"] = seconds;
  }
  const std::string target = "/v1/sessions?vault=" + encoding::percent(vault_);
  auto reply = server_->api().exchange("POST", target, body.dump());
  if (!reply && reply.error().code == ErrorCode::kNotPermitted) {
    const auto me = remote_json::ask(server_->api(), "GET", "/v1/auth/me");
    if (me && remote_json::text(*me, "type") == "session") {
      if (run_.options.ttl || !run_.options.agent.empty()) {
        return usage_error("--ttl and --agent were settled when this session was made",
                           "use the token of the agent, or sign in: agent-vault login");
      }
      AV_TRY(session_, remote_->token.clone());
      return {};
    }
  }
  if (!reply) {
    return reply.error();
  }
  AV_TRY(const api::JsonDocument document, api::JsonDocument::parse(reply->body.view()));
  const auto token = document.root().find("token");
  if (!token) {
    return make_error(ErrorCode::kNetwork, "the answer of agent-vault has no token");
  }
  AV_TRY(session_, token->secret());
  minted_ = true;
  return {};
}

// What leaves this machine goes under TLS, whose other end has the pinned authority's key.
Status RemoteSession::start_relay(const SignalGate& /*before*/) {
  proxy::RelayTarget target;
  target.host = remote_->url.host;
  target.port = proxy_.port;
  if (proxy_.tls && !remote_->url.is_loopback()) {
    AV_TRY(target.tls, proxy::relay_context(proxy_.authority_pem));
  } else if (!remote_->url.is_loopback() && !may_go_in_clear(run_.context)) {
    return usage_error("the proxy of " + remote_->url.text() + " is reached in clear only",
                       "a newer agent-vault serve has TLS there; where nobody can listen in: "
                       "--allow-cleartext");
  }
  target.user.append(*session_);
  target.user.append(":" + vault_);
  isolation::NetworkSockets inside = run_.launcher.take_sockets();
  proxy::RelaySockets sockets;
  AV_TRY(Listener outer, listen_on("127.0.0.1", 0));
  port_ = outer_port_ = outer.port;
  sockets.proxy.push_back(std::move(outer.fd));
  if (inside.proxy.valid()) {
    AV_TRY(Listener inner, listener_from(std::move(inside.proxy)));
    port_ = inner.port;
    sockets.proxy.push_back(std::move(inner.fd));
  }
  AV_TRY(bridge_, connect_ports(run_.options.ports, std::move(inside.local), run_.launcher));
  sockets.direct = std::move(inside.doors);
  sockets.ssh = std::move(inside.ssh);
  sockets.names = std::move(inside.names);
  AV_TRY(relay_, proxy::ProxyRelay::start(std::move(sockets), std::move(target)));
  return {};
}

// Asked on the way that the command will take: what does not work is said before it runs.
Status RemoteSession::look_around() {
  HttpUrl here;
  here.tls = false;
  here.host = "127.0.0.1";
  here.port = std::to_string(outer_port_);
  AV_TRY(ApiClient through, ApiClient::create(here, {}, *session_));
  auto found = remote_json::ask(through, "GET", "/discover?vault=" + encoding::percent(vault_));
  if (!found) {
    found.error().message =
        "through the proxy of " + remote_->url.text() + ": " + found.error().message;
    return found.error();
  }
  AV_TRY(const auto all, server_->list_services(vault_));
  std::vector<std::string> names;
  for (const Json& service : remote_json::list(*found, "services")) {
    names.push_back(remote_json::text(service, "name"));
  }
  const std::vector<std::string> keys = remote_json::texts(*found, "available_credentials");
  const auto has = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  // What the agent may not use is not there for its command.
  auto snapshot = std::make_shared<vault::PolicySnapshot>();
  snapshot->vault_name = vault_;
  std::vector<vault::Service> services;
  for (const vault::Service& service : all) {
    if (has(names, service.name)) {
      services.push_back(service);
    }
  }
  snapshot->set_services(std::move(services));
  for (const std::string& key : keys) {
    vault::SealedCredential sealed;
    sealed.key = key;
    snapshot->credentials.emplace(key, std::move(sealed));
  }
  placeholders_ = make_placeholders(*snapshot);
  snapshot_ = std::move(snapshot);
  return {};
}

Expected<isolation::LaunchSpec> RemoteSession::make_spec() {
  EnvBlock env(::environ);
  replace_named(env, *snapshot_, placeholders_);
  // Wherever it was put: the command has a session.
  if (minted_) {
    remote_->token.reveal([&](std::string_view token) {
      session_->reveal([&](std::string_view session) { env.replace_everywhere(token, session); });
    });
  }
  run_.bundle += proxy_.authority_pem;
  AV_TRY(const auto bundle_file, run_.directory.write("ca.pem", run_.bundle));
  AV_TRY(std::string trust_store,
         write_trust_store(run_.directory, run_.bundle, env.get("PATH").value_or("")));
  add_proxy_access(env, {port_, *session_, vault_, run_id_, bundle_file.string(),
                         std::move(trust_store), isolation::has_network(run_.launcher.level())});
  const AgentLogins no_logins;  // those are of this machine's store
  AV_TRY(AgentSetup agent, AgentSetup::create({run_.argv, run_.launcher.level(), run_.options.skill,
                                               *snapshot_, placeholders_, no_logins,
                                               run_.context.clock->wall_ms(), run_.directory},
                                              env));
  agent_.emplace(std::move(agent));
  return make_launch_spec(
      run_.context, {run_.argv, run_id_, run_.launcher.level(), env, run_.options, run_.directory,
                     *snapshot_, placeholders_, agent_->masked(), remote_->token_files});
}

void RemoteSession::end() {
  relay_.reset();
  bridge_.reset();
  if (!minted_) {
    return;
  }
  minted_ = false;
  auto as_session = ApiClient::create(remote_->url, remote_->ca_files, *session_, kEndSeconds);
  const auto ended = as_session ? remote_json::ask(*as_session, "POST", "/v1/auth/logout")
                                : Expected<Json>(as_session.error());
  if (!ended && ended.error().code != ErrorCode::kNotPermitted) {  // it is over already
    warn(run_.context, "the session at " + remote_->url.text() +
                           " could not be ended and runs out by itself: " + ended.error().message);
  }
}

}  // namespace

Status check_remote_words(const RunWords& words) {
  const std::pair<bool, const char*> given[] = {
      {!words.resolve.empty(), "--resolve"},
      {!words.allow_net.empty(), "--allow-net"},
      {!words.upstream_proxy.empty(), "--upstream-proxy"},
      {!words.unmatched.empty(), "--unmatched"},
      {words.connect_timeout != 0, "--connect-timeout"},
      {words.header_timeout != 0, "--header-timeout"},
      {words.capture_logins, "--capture-logins"},
  };
  for (const auto& [there, name] : given) {
    if (there) {
      return usage_error(std::string(name) +
                             " is the server's to say, and AGENT_VAULT_ADDR names "
                             "one",
                         "give it to agent-vault serve, or use --local for a run with a proxy of "
                         "its own");
    }
  }
  return {};
}

Expected<Outcome> run_remotely(RemoteRun run, int& exec_error) {
  return RemoteSession(std::move(run)).go(exec_error);
}

}  // namespace av::cmd
