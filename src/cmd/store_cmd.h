#pragma once
// What the commands about external stores share.

#include <memory>
#include <string>

#include "api/store_words.h"
#include "cmd/command.h"
#include "cmd/option_set.h"
#include "cmd/paired_store.h"
#include "cmd/run_options.h"
#include "store/store.h"

namespace av::cmd {

// How a store is reached by a command: --resolve, --allow-net and the config file.
void add_store_reach_options(OptionSet& app, RunWords& words);
[[nodiscard]] Expected<StoreReach> store_reach(Context& context, const RunWords& words);

// kUsage: at a server these options would mean nothing, for it is the server that connects.
[[nodiscard]] Status check_reach_is_ours(const Context& context, const RunWords& words);

// The store of the vault that a reference is of: the one named, or the only one of its scheme.
[[nodiscard]] Expected<api::FoundReference> find_reference(Context& context,
                                                           const std::string& vault,
                                                           const std::string& reference,
                                                           const std::string& store_name);

// Opened as it is paired.
[[nodiscard]] Expected<std::shared_ptr<source::Provider>> open_provider(
    Context& context, const store::Store::ExternalStoreInfo& info, const StoreReach& reach);

[[nodiscard]] Run setup_store_pair(OptionSet& app);      // store_pair.cc
[[nodiscard]] Run setup_store_list(OptionSet& app);      // store_status.cc
[[nodiscard]] Run setup_store_status(OptionSet& app);    // store_status.cc
[[nodiscard]] Run setup_store_test(OptionSet& app);      // store_status.cc
[[nodiscard]] Run setup_store_kinds(OptionSet& app);     // store_kinds.cc
[[nodiscard]] Run setup_store_browse(OptionSet& app);    // store_read.cc
[[nodiscard]] Run setup_store_read(OptionSet& app);      // store_read.cc
[[nodiscard]] Run setup_store_unpair(OptionSet& app);    // store_read.cc
[[nodiscard]] Run setup_store_map(OptionSet& app);       // store_map.cc
[[nodiscard]] Run setup_store_unmap(OptionSet& app);     // store_map.cc
[[nodiscard]] Run setup_store_mappings(OptionSet& app);  // store_map.cc

}  // namespace av::cmd
