#include "cmd/credential_set.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include "cmd/option_set.h"

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/env_file.h"
#include "cmd/given_secret.h"
#include "cmd/output.h"
#include "cmd/store_cmd.h"
#include "cmd/term.h"
#include "vault/names.h"
#include "vault/preset.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;
using NewValue = store::Store::NewValue;

// Shorter ones occur in innocent text, so the proxy cannot look for them in responses.
constexpr std::size_t kShortestGuarded = 8;

struct SetOptions {
  std::vector<std::string> entries;
  bool from_stdin = false;
  bool raw = false;
  std::string file;
  std::string reference;  // of an external store
  std::string store;
};

Error no_value_source(Error error, const std::string& key) {
  if (error.code == ErrorCode::kLocked) {
    error.code = ErrorCode::kUsage;
    error.message = "no value for " + key + " and no terminal to ask on";
    error.hint = "pipe it in: agent-vault vault credential set " + key + " --stdin < FILE";
  }
  return error;
}

Expected<Secret> read_value(const SetOptions& options, const std::string& key) {
  if (options.from_stdin || !options.file.empty()) {
    const std::size_t limit = vault::kMaxValueSize + 1;
    AV_TRY(Secret value, options.from_stdin ? fs::read_secret_fd(STDIN_FILENO, limit)
                                            : fs::read_secret_file(options.file, limit));
    if (!options.raw) {
      drop_final_newline(value);
    }
    return value;
  }
  Expected<Secret> value = read_hidden("value of " + key + ": ");
  if (!value) {
    return no_value_source(std::move(value.error()), key);
  }
  return value;
}

// KEY=VALUE words arrive as "KEY=" with the value in Context::argv_values.
Expected<std::vector<NewValue>> take_pairs(Context& context, const SetOptions& options) {
  std::vector<NewValue> values;
  std::size_t next = 0;
  for (const std::string& entry : options.entries) {
    if (!entry.ends_with('=')) {
      // It may be a value in the wrong place: not shown.
      return usage_error(
          "word " + std::to_string(&entry - options.entries.data() + 1) + " is not KEY=VALUE",
          "name one KEY alone to be asked for it, or give every one as KEY=VALUE");
    }
    if (next >= context.argv_values.size()) {
      return usage_error("a value is missing");
    }
    values.push_back({entry.substr(0, entry.size() - 1), std::move(context.argv_values[next++])});
  }
  return values;
}

Expected<std::vector<NewValue>> collect(Context& context, const SetOptions& options) {
  const bool pairs = std::any_of(options.entries.begin(), options.entries.end(),
                                 [](const std::string& entry) { return entry.ends_with('='); });
  if (options.from_stdin && !options.file.empty()) {
    return usage_error("--stdin and --from-file exclude one another");
  }
  if (pairs) {
    if (options.from_stdin || !options.file.empty()) {
      return usage_error("KEY=VALUE and --stdin or --from-file exclude one another");
    }
    return take_pairs(context, options);
  }
  if (options.entries.size() > 1) {
    return usage_error("one KEY at a time without values",
                       "agent-vault vault credential set " + options.entries.front());
  }
  const std::string& key = options.entries.front();
  AV_CHECK(vault::check_credential_key(key));
  AV_TRY(Secret value, read_value(options, key));
  std::vector<NewValue> values;
  values.push_back({key, std::move(value)});
  return values;
}

Status check_values(const std::vector<NewValue>& values) {
  std::set<std::string_view> seen;
  for (const NewValue& value : values) {
    AV_CHECK(vault::check_credential_key(value.key));
    if (!seen.insert(value.key).second) {
      return usage_error(value.key + " is given twice");
    }
    if (value.value.empty()) {
      return make_error(ErrorCode::kInvalid, "the value of " + value.key + " is empty",
                        "to remove it: agent-vault vault credential delete " + value.key);
    }
    if (value.value.size() > vault::kMaxValueSize) {
      return make_error(ErrorCode::kInvalid, "the value of " + value.key + " is larger than 1 MiB");
    }
  }
  return {};
}

Status suggest_services(Context& context, const std::string& vault,
                        const std::vector<std::string>& keys) {
  AV_TRY(const auto services, context.store->list_services(vault));
  std::set<std::string> suggested;
  for (const std::string& key : keys) {
    const bool used = std::any_of(services.begin(), services.end(), [&](const auto& service) {
      const auto names = service.credential_keys();
      return std::find(names.begin(), names.end(), key) != names.end();
    });
    const vault::Preset* preset = used ? nullptr : vault::preset_for_credential(key);
    if (preset != nullptr && suggested.insert(preset->id).second) {
      notice(context, key + " is not used by a service yet; for " + preset->title +
                          ": agent-vault vault service add --preset " + preset->id);
    }
  }
  return {};
}

// Shared by set and import: audit, save, report.
Status save(Context& context, const std::string& vault, std::vector<NewValue> values,
            std::string_view origin, Json extra) {
  std::vector<std::string> keys;
  for (const NewValue& value : values) {
    keys.push_back(value.key);
    if (value.value.size() < kShortestGuarded) {
      warn(context, "the value of " + value.key + " is shorter than " +
                        std::to_string(kShortestGuarded) +
                        " bytes: responses cannot be guarded against it");
    }
  }
  const std::string_view event = origin == "import" ? "credential.import" : "credential.set";
  AV_TRY(const std::vector<bool> fresh, audited(context, action(event, vault, "", keys), [&] {
           return context.store->set_credentials(vault, values, origin);
         }));
  std::vector<std::string> created;
  std::vector<std::string> updated;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    (fresh[i] ? created : updated).push_back(keys[i]);
  }
  if (context.json) {
    Json object = {{"vault", vault}, {"created", created}, {"updated", updated}};
    object.update(extra);
    print(context.out, object.dump() + "\n");
  } else {
    if (!created.empty()) {
      notice(context, "stored " + join(created, ", ") + " in vault '" + vault + "'");
    }
    if (!updated.empty()) {
      notice(context, "replaced " + join(updated, ", ") + " in vault '" + vault + "'");
    }
  }
  return suggest_services(context, vault, keys);
}

// A credential whose value is not kept here.
Expected<int> set_from(Context& context, const SetOptions& options) {
  if (options.entries.size() != 1 || options.entries.front().ends_with('=') || options.from_stdin ||
      !options.file.empty()) {
    return usage_error("--from goes with one KEY and nothing else that gives a value");
  }
  const std::string& key = options.entries.front();
  AV_CHECK(vault::check_credential_key(key));
  AV_CHECK(context.open_store());
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(api::FoundReference found,
         find_reference(context, vault, options.reference, options.store));
  const store::Store::Source source{found.info.store.name, options.reference, std::move(found.item),
                                    std::move(found.field)};
  AV_TRY(const bool is_new,
         audited(context, action("credential.set", vault, "from " + source.store, {key}),
                 [&] { return context.store->set_source(vault, key, source); }));
  if (context.json) {
    print(context.out, Json{{"vault", vault},
                            {"created", is_new ? Json::array({key}) : Json::array()},
                            {"updated", is_new ? Json::array() : Json::array({key})},
                            {"store", source.store},
                            {"reference", source.reference}}
                               .dump() +
                           "\n");
  } else {
    notice(context, key + " is had from '" + source.store + "' when it is used, in vault '" +
                        vault + "'; to see whether it is there: agent-vault vault store test");
  }
  AV_CHECK(suggest_services(context, vault, {key}));
  return 0;
}

Expected<int> run_set(Context& context, const SetOptions& options) {
  if (!options.reference.empty()) {
    return set_from(context, options);
  }
  const bool visible = !context.argv_values.empty();
  AV_TRY(std::vector<NewValue> values, collect(context, options));
  AV_CHECK(check_values(values));
  if (visible) {
    warn(context,
         "values on the command line show in process listings and in the shell's history; safer: "
         "`set KEY` asks, `set KEY --stdin` and `set KEY --from-file FILE` read");
  }
  AV_CHECK(context.open_store());
  AV_TRY(const std::string vault, context.vault_name());
  AV_CHECK(save(context, vault, std::move(values), "set", Json::object()));
  return 0;
}

struct ImportOptions {
  std::string file;
  bool overwrite = false;
  bool skip_existing = false;
};

Expected<std::vector<EnvEntry>> read_entries(const ImportOptions& options) {
  const std::string name = options.file == "-" ? "standard input" : options.file;
  constexpr std::size_t kLimit = std::size_t{2} << 20;
  AV_TRY(const Secret text, options.file == "-" ? fs::read_secret_fd(STDIN_FILENO, kLimit)
                                                : fs::read_secret_file(options.file, kLimit));
  AV_TRY(auto entries,
         text.reveal([&](std::string_view bytes) { return parse_env_file(name, bytes); }));
  for (const EnvEntry& entry : entries) {
    if (const Status checked = vault::check_credential_key(entry.key); !checked) {
      return make_error(ErrorCode::kInvalid,
                        name + ":" + std::to_string(entry.line) + ": " + checked.error().message,
                        checked.error().hint);
    }
  }
  return entries;
}

struct Sorted {
  std::vector<NewValue> values;
  std::vector<std::string> skipped;
  std::vector<std::string> empty;
};

// As with a shell, the last of several lines for a key counts.
Expected<Sorted> sort_entries(Context& context, const std::string& vault,
                              const ImportOptions& options, std::vector<EnvEntry> entries) {
  std::map<std::string, std::size_t> last;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!last.insert_or_assign(entries[i].key, i).second) {
      warn(context, entries[i].key + " is there more than once; line " +
                        std::to_string(entries[i].line) + " counts");
    }
  }
  AV_TRY(const auto stored, context.store->list_credentials(vault));
  Sorted sorted;
  std::vector<std::string> conflicts;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EnvEntry& entry = entries[i];
    const bool exists = std::any_of(stored.begin(), stored.end(),
                                    [&](const auto& info) { return info.key == entry.key; });
    if (last[entry.key] != i) {
      continue;
    }
    if (entry.value.empty()) {
      sorted.empty.push_back(entry.key);
    } else if (exists && options.skip_existing) {
      sorted.skipped.push_back(entry.key);
    } else if (exists && !options.overwrite) {
      conflicts.push_back(entry.key);
    } else {
      sorted.values.push_back({entry.key, std::move(entry.value)});
    }
  }
  if (!conflicts.empty()) {
    return make_error(ErrorCode::kExists,
                      join(conflicts, ", ") + (conflicts.size() == 1 ? " is" : " are") +
                          " in vault '" + vault + "' already; nothing was imported",
                      "add --overwrite or --skip-existing");
  }
  return sorted;
}

Expected<int> run_import(Context& context, const ImportOptions& options) {
  if (options.overwrite && options.skip_existing) {
    return usage_error("--overwrite and --skip-existing exclude one another");
  }
  AV_TRY(std::vector<EnvEntry> entries, read_entries(options));
  AV_CHECK(context.open_store());
  AV_TRY(const std::string vault, context.vault_name());
  AV_TRY(Sorted sorted, sort_entries(context, vault, options, std::move(entries)));
  AV_CHECK(check_values(sorted.values));
  if (!sorted.skipped.empty()) {
    notice(context, "kept what is stored: " + join(sorted.skipped, ", "));
  }
  if (!sorted.empty.empty()) {
    notice(context, "left out, no value: " + join(sorted.empty, ", "));
  }
  AV_CHECK(save(context, vault, std::move(sorted.values), "import",
                {{"skipped", sorted.skipped}, {"empty", sorted.empty}}));
  return 0;
}

}  // namespace

Run setup_credential_set(OptionSet& app) {
  const auto options = std::make_shared<SetOptions>();
  app.add_option("KEY", options->entries, "KEY, or KEY=VALUE...")->required();
  app.add_flag("--stdin", options->from_stdin, "read the value from standard input");
  app.add_option("--from-file", options->file, "read the value from a file")->type_name("FILE");
  app.add_option("--from", options->reference,
                 "keep it where it is, in an external store: op://vault/item/field")
      ->type_name("REFERENCE");
  app.add_option("--store", options->store,
                 "with --from: of this store, where several could be meant")
      ->type_name("NAME");
  app.add_flag("--raw", options->raw,
               "with --stdin or --from-file: keep a final line feed, which is removed otherwise");
  app.footer("With a KEY alone, the value is asked for and not shown.");
  return [options](Context& context) { return run_set(context, *options); };
}

Run setup_credential_import(OptionSet& app) {
  const auto options = std::make_shared<ImportOptions>();
  app.add_option("FILE", options->file, "a .env file, or - for standard input")->required();
  app.add_flag("--overwrite", options->overwrite, "replace credentials that are stored already");
  app.add_flag("--skip-existing", options->skip_existing,
               "keep credentials that are stored already");
  return [options](Context& context) { return run_import(context, *options); };
}

}  // namespace av::cmd
