// `vault store list`, `status`, `test`: which external stores a vault has, how they do, and what
// refers to them.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/cli.h"
#include "cmd/lease_book.h"
#include "cmd/output.h"
#include "cmd/remote_store.h"
#include "cmd/store_cmd.h"
#include "core/encoding.h"
#include "source/program_setting.h"
#include "vault/host_mapping.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Info = store::Store::ExternalStoreInfo;

Expected<int> list_stores(Context& context) {
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const auto all, context.store->list_stores(vault));
  Json list = Json::array();
  Table table({"NAME", "KIND", "ACCOUNT", "STATE", "CREDENTIALS", "HOSTS", "LAST ERROR"});
  for (const Info& info : all) {
    list.push_back(api::store_json(info));
    table.add({info.store.name, info.store.kind, info.store.account,
               std::string(api::state_of(info)), std::to_string(info.credentials),
               std::to_string(info.mappings), info.error_ms > info.ok_ms ? info.error : ""});
  }
  if (context.json) {
    print(context.out, Json{{"stores", list}}.dump() + "\n");
  } else if (all.empty()) {
    notice(context, "no external stores; pair one: agent-vault vault store pair KIND, of these:");
    std::vector<std::string> ids;
    for (const source::Kind* const kind : source::kinds()) {
      ids.emplace_back(kind->id);
    }
    notice(context, join(ids, ", "));
  } else {
    table.print(context.out);
  }
  return 0;
}

// Where its program runs; empty for one that has none.
std::string place_of_program(const vault::ExternalStore& store) {
  const source::Kind* const kind = source::find_kind(store.kind);
  if (kind == nullptr || source::setting(store, "program").empty()) {
    return {};
  }
  const auto wanted = source::helper_isolation(*kind, store);
  if (!wanted) {
    return wanted.error().message;
  }
  return wanted->isolated ? "isolated as at level store; not run where that cannot be had, but by "
                            "runs that are off"
                          : "not isolated: what its files make it do, it does as the user";
}

Expected<int> show_status(Context& context, const std::string& name) {
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const Info info, context.store->get_store(vault, name));
  AV_TRY(const auto sources, context.store->list_sources(vault));
  AV_TRY(const auto mappings, context.store->list_mappings(vault));
  const Json references = api::references_json(info.store.name, sources, mappings);
  std::size_t left = 0;  // at a server, only it can tell
  if (context.remote() == nullptr && info.leases != 0) {
    AV_TRY(left, count_left(*context.store, context.paths, info.store.uid));
  }
  if (context.json) {
    Json json = api::store_json(info);
    json["references"] = references;
    print(context.out, json.dump() + "\n");
    return 0;
  }
  const auto line = [&](std::string_view word, const std::string& value) {
    print(context.out, std::string(word) +
                           std::string(word.size() < 14 ? 14 - word.size() : 1, ' ') +
                           encoding::printable(value) + "\n");
  };
  line("name", info.store.name);
  line("kind", info.store.kind);
  line("vault", info.vault);
  line("account", info.store.account);
  for (const auto& [setting, value] : info.store.settings) {
    line(setting, value.substr(0, std::min(value.find('\n'), std::size_t{100})));
  }
  if (const std::string where = place_of_program(info.store); !where.empty()) {
    line("its program", where);
  }
  line("state", std::string(api::state_of(info)));
  line("paired", show_time(info.store.paired_ms));
  line("last success", show_time(info.ok_ms));
  line("last failure", show_time(info.error_ms));
  if (!info.error.empty()) {
    line("last error", info.error);
  }
  if (info.leases != 0) {
    line("leases", std::to_string(info.leases) +
                       (left == 0 ? ""
                                  : ", of which programs that were killed have left " +
                                        std::to_string(left)));
  }
  for (const Json& reference : references) {
    const bool host = reference.contains("host");
    const std::string text = reference["reference"];
    line(host ? "host" : "credential",
         reference[host ? "host" : "credential"].get<std::string>() + " <- " +
             (text.empty() ? "what it has for the host" : text) +
             (reference["missing_since"].is_null() ? "" : "  (not there any more)"));
  }
  return 0;
}

// Somebody waits for it at a terminal, and sees each in its turn.
constexpr Millis kMostTest{10 * 60'000};

struct TestWords {
  RunWords reach;
  std::string name;
  std::string reference;
};

Expected<std::vector<api::StoreReference>> to_check(Context& context, const std::string& vault,
                                                    const Info& info,
                                                    const std::string& reference) {
  if (reference.empty()) {
    AV_TRY(const auto sources, context.store->list_sources(vault));
    AV_TRY(const auto mappings, context.store->list_mappings(vault));
    return api::references_of(info.store.uid, sources, mappings);
  }
  AV_TRY(const api::FoundReference found,
         find_reference(context, vault, reference, info.store.name));
  return std::vector<api::StoreReference>{{reference, {info.store.uid, found.item, found.field}}};
}

// Asks each store whether it works, and each reference whether it is there; no value is shown.
Expected<std::vector<api::StoreCheck>> check(Context& context, const std::string& vault,
                                             const Info& info, const StoreReach& reach,
                                             const std::string& reference) {
  if (RemoteStore* const server = context.remote()) {
    return server->test_store(vault, info.store.name, reference);
  }
  AV_TRY(const auto references, to_check(context, vault, info, reference));
  auto provider = open_provider(context, info, reach);
  if (!provider) {
    return std::vector<api::StoreCheck>{{"open", failure_of(provider.error()), "", std::nullopt}};
  }
  auto checks = api::check_store(**provider, references, *context.clock, kMostTest);
  api::note_checks(*context.store, info.store.uid, checks);
  if (!checks.front().failure) {
    const std::size_t done =
        give_back_left(*context.store, context.paths, *context.clock, info.store.uid, *provider);
    if (done != 0) {
      notice(context,
             "'" + info.store.name +
                 "': gave back leases that killed programs have left: " + std::to_string(done));
    }
  }
  return checks;
}

Expected<int> test_stores(Context& context, const TestWords& words) {
  AV_CHECK(check_reach_is_ours(context, words.reach));
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(auto all, context.store->list_stores(vault));
  if (!words.name.empty()) {
    AV_TRY(Info only, context.store->get_store(vault, words.name));
    all.clear();
    all.push_back(std::move(only));
  }
  AV_TRY(const StoreReach reach, store_reach(context, words.reach));
  Json list = Json::array();
  Table table({"STORE", "WHAT", "RESULT"});
  bool good = true;
  for (const Info& info : all) {
    AV_TRY(const auto checks, check(context, vault, info, reach, words.reference));
    for (const api::StoreCheck& one : checks) {
      good = good && !one.failure;
      list.push_back(api::check_json(info.store.name, one));
      table.add({info.store.name, one.what,
                 one.failure ? "failed: " + one.failure->message : "ok: " + one.words});
    }
  }
  if (context.json) {
    print(context.out, Json{{"ok", good}, {"checks", list}}.dump() + "\n");
  } else if (all.empty()) {
    notice(context, "no external stores; pair one: agent-vault vault store pair KIND");
  } else {
    table.print(context.out);
    for (const Json& one : list) {
      if (!one["ok"].get<bool>() && !one["hint"].get<std::string>().empty()) {
        notice(context, one["store"].get<std::string>() + ": " + one["hint"].get<std::string>());
      }
    }
  }
  return good ? 0 : 1;
}

}  // namespace

Run setup_store_list(OptionSet& /*app*/) {
  return list_stores;
}

Run setup_store_status(OptionSet& app) {
  const auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "of the store")->required();
  return [name](Context& context) { return show_status(context, *name); };
}

Run setup_store_test(OptionSet& app) {
  const auto words = std::make_shared<TestWords>();
  app.add_option("NAME", words->name, "of the store; all of the vault when not given");
  app.add_option("REFERENCE", words->reference,
                 "whether this is there, instead of all that refers to the store");
  add_store_reach_options(app, words->reach);
  return [words](Context& context) { return test_stores(context, *words); };
}

}  // namespace av::cmd
