#include "cmd/paired_store.h"

#include <utility>

#include "cmd/helper_cover.h"
#include "cmd/hidden_paths.h"
#include "cmd/source_dialer.h"
#include "cmd/source_http.h"
#include "cmd/ways_out.h"
#include "source/process_runner.h"
#include "source/program_setting.h"
#include "source/websocket_client.h"
#include "vault/store_settings.h"

namespace av::cmd {
namespace {

using source::Failure;

// The ports live as long as the provider that uses them.
struct Paired {
  std::unique_ptr<source::Http> http;
  std::unique_ptr<source::Dialer> dialer;
  std::unique_ptr<source::WebSockets> websockets;
  std::unique_ptr<source::ProcessRunner> processes;
  source::Ports ports;
  std::unique_ptr<source::Provider> provider;
};

source::Result<std::unique_ptr<source::ProcessRunner>> make_runner(
    const source::Kind& kind, const vault::ExternalStore& store, const StoreReach& reach) {
  AV_TRY(source::HelperIsolation wanted, source::helper_isolation(kind, store));
  if (!wanted.isolated) {
    return std::make_unique<source::ProcessRunner>();
  }
  if (const Status known = check_shares(wanted.shares); !known) {
    return source::failure(Failure::Why::kInvalid, known.error().message, known.error().hint);
  }
  if (reach.paths.data.empty()) {
    return source::failure(Failure::Why::kInvalid, "no place of the vault's store is known");
  }
  return std::make_unique<source::ProcessRunner>(
      make_helper_cover({reach.paths, std::move(wanted.shares), reach.uncovered}));
}

std::vector<std::filesystem::path> own_files(const fs::Paths& paths) {
  auto hidden = hidden_paths(paths);
  return hidden ? std::move(hidden->paths)
                : std::vector<std::filesystem::path>{paths.data, paths.config};
}

}  // namespace

source::Result<std::shared_ptr<source::Provider>> make_provider(const vault::ExternalStore& store,
                                                                vault::StoreSecrets secrets,
                                                                const StoreReach& reach) {
  const source::Kind* const kind = source::find_kind(store.kind);
  if (kind == nullptr) {
    return source::failure(Failure::Why::kInvalid,
                           "this version knows no external store of the kind " + store.kind);
  }
  auto paired = std::make_shared<Paired>();
  auto net = store_net(store.settings, reach.net);
  if (!net) {
    return source::failure(Failure::Why::kInvalid, net.error().message, net.error().hint);
  }
  paired->http = make_source_http(store.settings, *net, *reach.clock);
  proxy::ConnectorOptions connect;
  connect.net = std::move(*net);
  const auto ca = store.settings.find(vault::kCaSetting);
  paired->dialer = make_source_dialer(
      std::move(connect), ca == store.settings.end() ? std::string() : ca->second, *reach.clock);
  paired->websockets = std::make_unique<source::WebSocketClient>(*paired->dialer, *reach.clock);
  paired->ports.http = paired->http.get();
  paired->ports.websockets = paired->websockets.get();
  AV_TRY(paired->processes, make_runner(*kind, store, reach));
  paired->ports.processes = paired->processes.get();
  paired->ports.clock = reach.clock;
  paired->ports.closed = own_files(reach.paths);
  paired->ports.keep = [keep = reach.keep, uid = store.uid](const vault::StoreSecrets& kept) {
    return keep(uid, kept);
  };
  auto provider = kind->make(store, std::move(secrets), paired->ports);
  if (!provider) {
    return provider.error();
  }
  paired->provider = std::move(*provider);
  source::Provider* const raw = paired->provider.get();
  return std::shared_ptr<source::Provider>(std::move(paired), raw);
}

source::Failure failure_of(const Error& error) {
  const auto why = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kInvalid
                       ? Failure::Why::kInvalid
                   : error.code == ErrorCode::kLocked ? Failure::Why::kLocked
                                                      : Failure::Why::kUnreachable;
  return source::failure(why, error.message, error.hint);
}

}  // namespace av::cmd
