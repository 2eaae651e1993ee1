// The table of `vault store`, and what its commands share.

#include "cmd/store_cmd.h"

#include <array>
#include <cstdlib>

#include "cmd/cli.h"

namespace av::cmd {
namespace {

using Info = store::Store::ExternalStoreInfo;

}  // namespace

void add_store_reach_options(OptionSet& app, RunWords& words) {
  app.add_option("--resolve", words.resolve, "connect to this address instead, as curl does")
      ->type_name("HOST:PORT:ADDR[:PORT]")
      ->repeatable();
  app.add_option("--allow-net", words.allow_net, "a private network that may be reached")
      ->type_name("CIDR")
      ->repeatable();
}

Expected<StoreReach> store_reach(Context& context, const RunWords& words) {
  AV_TRY(const RunOptions options,
         resolve_options(words, context.paths.config_file(),
                         [](const char* name) { return std::getenv(name); }));
  StoreReach reach;
  reach.net = options.net;
  reach.clock = context.clock;
  reach.paths = context.paths;
  reach.keep = [&context](const std::string& uid, const vault::StoreSecrets& secrets) {
    return context.store->keep_store(uid, secrets);
  };
  return reach;
}

Status check_reach_is_ours(const Context& context, const RunWords& words) {
  if (context.remote() != nullptr && (!words.resolve.empty() || !words.allow_net.empty())) {
    return usage_error("--resolve and --allow-net are for connections of this machine",
                       "at a server, its owner says where it may connect: agent-vault serve");
  }
  return {};
}

Expected<api::FoundReference> find_reference(Context& context, const std::string& vault,
                                             const std::string& reference,
                                             const std::string& store_name) {
  AV_TRY(const auto all, context.store->list_stores(vault));
  return api::find_reference(all, vault, reference, store_name);
}

Expected<std::shared_ptr<source::Provider>> open_provider(Context& context, const Info& info,
                                                          const StoreReach& reach) {
  AV_TRY(auto opened, context.store->open_store(info.store.uid));
  auto provider = make_provider(opened.store, std::move(opened.secrets), reach);
  if (!provider) {
    return api::error_of(provider.error(), info.store.name);
  }
  return std::move(*provider);
}
std::span<const Command> store_commands() {
  static constexpr std::array<Command, 11> kCommands = {{
      {"vault store pair", "let a vault use what an external store keeps", Needs::kStore,
       setup_store_pair, true},
      {"vault store list", "list the external stores of a vault", Needs::kStore, setup_store_list,
       false},
      {"vault store status", "show how an external store does, and what refers to it",
       Needs::kStore, setup_store_status, false},
      {"vault store test", "ask external stores whether they work and have what is referred to",
       Needs::kStore, setup_store_test, true},
      {"vault store kinds", "list the kinds of external stores and their settings", Needs::kNothing,
       setup_store_kinds, false},
      {"vault store browse", "list what an external store has, names only", Needs::kStore,
       setup_store_browse, true},
      {"vault store read", "print a value of an external store", Needs::kStore, setup_store_read,
       true},
      {"vault store map", "use a value of an external store for a host", Needs::kStore,
       setup_store_map, true},
      {"vault store unmap", "take that back", Needs::kStore, setup_store_unmap, true},
      {"vault store mappings", "list the hosts that external stores have values for", Needs::kStore,
       setup_store_mappings, false},
      {"vault store unpair", "forget an external store", Needs::kStore, setup_store_unpair, true},
  }};
  return kCommands;
}

}  // namespace av::cmd
