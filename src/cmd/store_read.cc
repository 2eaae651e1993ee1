// `vault store browse`, `read`, `unpair`: what an external store has, and its end.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/lease_book.h"
#include "cmd/output.h"
#include "cmd/remote_store.h"
#include "cmd/store_cmd.h"
#include "cmd/store_suggest.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using Info = store::Store::ExternalStoreInfo;

struct BrowseWords {
  RunWords reach;
  std::string name;
  std::string reference;
  bool suggest = false;
};

Expected<std::vector<source::Listed>> list_items(Context& context, const std::string& vault,
                                                 const Info& info, const RunWords& reach_words,
                                                 const std::string& reference) {
  if (RemoteStore* const server = context.remote()) {
    return server->browse_store(vault, info.store.name, reference);
  }
  AV_TRY(const StoreReach reach, store_reach(context, reach_words));
  AV_TRY(const auto provider, open_provider(context, info, reach));
  auto listed = provider->list(reference);
  if (!listed) {
    return api::error_of(listed.error(), info.store.name);
  }
  return std::move(*listed);
}

Expected<int> suggest(Context& context, const std::string& vault, const Info& info,
                      const BrowseWords& words) {
  const source::Kind* const kind = source::find_kind(info.store.kind);
  const ListStore list = [&](const std::string& reference) {
    return list_items(context, vault, info, words.reach, reference);
  };
  AV_TRY(const auto suggestions,
         suggest_mappings(context, vault, kind == nullptr ? "" : kind->scheme, list));
  if (context.json) {
    Json out = Json::array();
    for (const Suggestion& one : suggestions) {
      out.push_back({{"host", one.host},
                     {"reference", one.reference},
                     {"title", one.title},
                     {"covered", one.covered.empty() ? Json() : Json(one.covered)}});
    }
    print(context.out, Json{{"mappings", out}}.dump() + "\n");
  } else if (suggestions.empty()) {
    notice(context, "no item of '" + info.store.name + "' is a login with a website");
  } else {
    print(context.out, suggestions_text(suggestions, vault, info.store.name));
    notice(context, "nothing is mapped yet: choose, and type the lines that you want");
  }
  return 0;
}

Expected<int> browse(Context& context, const BrowseWords& words) {
  AV_CHECK(check_reach_is_ours(context, words.reach));
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(const Info info, context.store->get_store(vault, words.name));
  if (words.suggest) {
    return suggest(context, vault, info, words);
  }
  AV_TRY(const auto listed, list_items(context, vault, info, words.reach, words.reference));
  Json list = Json::array();
  Table table({"REFERENCE", "TITLE", "HOSTS"});
  for (const source::Listed& item : listed) {
    list.push_back(api::listed_json(item));
    table.add({item.reference + (item.folder ? " ..." : ""), item.title, join(item.hosts, " ")});
  }
  if (context.json) {
    print(context.out, Json{{"items", list}}.dump() + "\n");
  } else if (listed.empty()) {
    notice(context, "there is nothing");
  } else {
    table.print(context.out);
  }
  return 0;
}

struct ReadWords {
  RunWords reach;
  std::string what;
  std::string store;
};

Expected<int> read_value(Context& context, const ReadWords& words) {
  AV_CHECK(check_reach_is_ours(context, words.reach));
  AV_TRY(const std::string vault, context.vault_name());
  std::string reference = words.what;
  std::string store_name = words.store;
  const bool is_key = source::scheme_of(words.what).empty();
  if (is_key) {
    AV_TRY(const auto sources, context.store->list_sources(vault));
    const auto found = std::find_if(sources.begin(), sources.end(),
                                    [&](const auto& source) { return source.key == words.what; });
    if (found == sources.end()) {
      return make_error(ErrorCode::kNotFound,
                        "no credential '" + words.what + "' is kept in an external store",
                        "agent-vault vault credential list");
    }
    reference = found->reference;
    store_name = found->store;
  }
  AV_TRY(const api::FoundReference found, find_reference(context, vault, reference, store_name));
  const std::string& name = found.info.store.name;
  const auto fetch = [&]() -> Expected<Secret> {
    if (RemoteStore* const server = context.remote()) {
      return is_key ? server->read_credential(vault, name, words.what)
                    : server->read_reference(vault, name, reference);
    }
    AV_TRY(const StoreReach reach, store_reach(context, words.reach));
    AV_TRY(const auto provider, open_provider(context, found.info, reach));
    const auto record = provider->fetch(found.item);
    if (!record) {
      return api::error_of(record.error(), name);
    }
    const auto field = source::field_of(*record, found.field);
    if (!field) {
      return api::error_of(field.error(), name);
    }
    return (*field)->clone();
  };
  AV_TRY(const Secret value,
         audited(context, action("credential.get", vault, name + ": " + reference), fetch));
  AV_CHECK(value.reveal([&](std::string_view text) {
    if (!context.json) {
      return print_secret(context.out, text);
    }
    SecretBuffer object;
    object.append("{\"store\":" + Json(name).dump() + ",\"reference\":" + Json(reference).dump() +
                  ",");
    append_json_value(object, text);
    object.append("}");
    return print_secret(context.out, object.view());
  }));
  print(context.out, "\n");
  return 0;
}

struct UnpairWords {
  RunWords reach;
  std::string name;
};

// Forgets it; why the store could not be told, or nothing.
Expected<std::string> unpair(Context& context, const std::string& vault, const Info& info,
                             const RunWords& reach_words) {
  AV_CHECK(check_reach_is_ours(context, reach_words));
  if (RemoteStore* const server = context.remote()) {
    return server->unpair_store(vault, info.store.name);
  }
  AV_TRY(const StoreReach reach, store_reach(context, reach_words));
  const auto provider = open_provider(context, info, reach);
  if (provider && info.leases != 0) {
    (void)give_back_left(*context.store, context.paths, *context.clock, info.store.uid, *provider);
  }
  AV_CHECK(audited(context, action("store.unpair", vault, info.store.name),
                   [&] { return context.store->remove_store(vault, info.store.name); }));
  if (!provider) {
    return provider.error().message;
  }
  const auto told = (*provider)->disconnect();
  return told ? std::string() : told.error().message;
}

}  // namespace

Run setup_store_browse(OptionSet& app) {
  const auto words = std::make_shared<BrowseWords>();
  app.add_option("NAME", words->name, "of the store")->required();
  app.add_option("REFERENCE", words->reference, "what to look into; the top when not given");
  app.add_flag("--suggest", words->suggest,
               "print commands that map the hosts of its logins, to choose from");
  add_store_reach_options(app, words->reach);
  return [words](Context& context) { return browse(context, *words); };
}

Run setup_store_read(OptionSet& app) {
  const auto words = std::make_shared<ReadWords>();
  app.add_option("KEY", words->what, "a credential that is kept elsewhere, or a reference")
      ->required();
  app.add_option("--store", words->store, "the store, where several could be meant")
      ->type_name("NAME");
  add_store_reach_options(app, words->reach);
  return [words](Context& context) { return read_value(context, *words); };
}

Run setup_store_unpair(OptionSet& app) {
  const auto words = std::make_shared<UnpairWords>();
  app.add_option("NAME", words->name, "of the store")->required();
  add_store_reach_options(app, words->reach);
  return [words](Context& context) -> Expected<int> {
    AV_TRY(const std::string vault, context.vault_name());
    AV_TRY(const Info info, context.store->get_store(vault, words->name));
    AV_TRY(const std::string trouble, unpair(context, vault, info, words->reach));
    if (!trouble.empty()) {
      warn(context, "it was not told: " + trouble);
    }
    if (context.json) {
      print(context.out, Json{{"name", words->name},
                              {"vault", vault},
                              {"unpaired", true},
                              {"trouble", trouble.empty() ? Json() : Json(trouble)}}
                                 .dump() +
                             "\n");
      return 0;
    }
    notice(context, "'" + words->name + "' is not paired with vault '" + vault + "' any more");
    return 0;
  };
}

}  // namespace av::cmd
