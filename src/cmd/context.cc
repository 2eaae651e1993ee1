#include <unistd.h>

#include <toml++/toml.h>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cmd/command.h"
#include "cmd/env_secrets.h"
#include "cmd/kept_key.h"
#include "cmd/remote.h"
#include "cmd/remote_store.h"
#include "cmd/term.h"
#include "isolation/run_marker.h"
#include "kek/keks.h"
#include "store/limit_table.h"
#include "vault/names.h"

namespace av::cmd {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Error bad_project_file(const std::filesystem::path& path, const std::string& why) {
  return make_error(ErrorCode::kInvalid, path.string() + ": " + why,
                    "it should hold the name of a vault and nothing else: {\"vault\": \"name\"}");
}

// Only the choice of a vault is read: whatever stands in a project must not loosen policy.
Expected<std::string> vault_from_json(const std::filesystem::path& path, const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("vault") || !json["vault"].is_string()) {
    return bad_project_file(path, "no \"vault\"");
  }
  return json["vault"].get<std::string>();
}

Expected<std::string> vault_from_toml(const std::filesystem::path& path, const std::string& text) {
  try {
    const toml::table table = toml::parse(text);
    const auto vault = table["vault"].value<std::string>();
    if (!vault) {
      return bad_project_file(path, "no \"vault\"");
    }
    return *vault;
  } catch (const toml::parse_error& e) {
    return bad_project_file(path, "line " + std::to_string(e.source().begin.line) + ": " +
                                      std::string(e.description()));
  }
}

// The nearest agent-vault.json or agent-vault.toml, from the working directory up to the root of
// the repository; empty when there is none.
Expected<std::string> vault_from_project() {
  std::error_code ec;
  auto directory = std::filesystem::current_path(ec);
  const std::filesystem::path home = environment("HOME");
  while (!ec) {
    for (const bool json : {true, false}) {
      const auto path = directory / (json ? "agent-vault.json" : "agent-vault.toml");
      if (!std::filesystem::is_regular_file(path, ec)) {
        ec.clear();
        continue;
      }
      AV_TRY(const std::string text, fs::read_file(path, std::size_t{64} << 10));
      return json ? vault_from_json(path, text) : vault_from_toml(path, text);
    }
    if (directory == home || directory == directory.root_path() ||
        std::filesystem::exists(directory / ".git", ec)) {
      break;
    }
    directory = directory.parent_path();
  }
  return std::string();
}

Error add_hint(Error error, std::string_view hint) {
  if (error.hint.empty()) {
    error.hint = hint;
  }
  return error;
}

Expected<Secret> prompt_passphrase(bool confirm_it) {
  Expected<Secret> passphrase = confirm_it ? read_hidden_twice("new passphrase of the store: ")
                                           : read_hidden("passphrase of the store: ");
  if (!passphrase) {
    return add_hint(std::move(passphrase.error()),
                    "set AGENT_VAULT_MASTER_PASSWORD, or run it in a terminal");
  }
  return passphrase;
}

Expected<Secret> ask_nobody(bool) {
  return make_error(ErrorCode::kLocked, "the store is locked by a passphrase",
                    "agent-vault unlock, in a terminal; or set AGENT_VAULT_MASTER_PASSWORD");
}

const char* pin_variable(vault::Asked what) {
  return what == vault::Asked::kTpmPin ? "AGENT_VAULT_TPM_PIN" : "AGENT_VAULT_PKCS11_PIN";
}

const Secret& pin_of(const EnvSecrets& secrets, vault::Asked what) {
  return what == vault::Asked::kTpmPin ? secrets.tpm_pin : secrets.token_pin;
}

Expected<Secret> ask_pin(const EnvSecrets& secrets, const vault::KeyQuestion& question,
                         bool may_ask) {
  if (const Secret& given = pin_of(secrets, question.what); !given.empty()) {
    return given.clone();
  }
  const std::string hint =
      "agent-vault unlock, in a terminal; or set " + std::string(pin_variable(question.what));
  if (!may_ask) {
    return make_error(ErrorCode::kLocked, "the store is locked by a PIN", hint);
  }
  Expected<Secret> pin =
      question.is_new ? read_hidden_twice(question.prompt) : read_hidden(question.prompt);
  return pin ? std::move(pin) : Expected<Secret>(add_hint(std::move(pin.error()), hint));
}

}  // namespace

Expected<store::KeySources> Context::key_sources(bool may_ask, bool use_kept_key) {
  AV_TRY(EnvSecrets captured, capture_env_secrets());
  store::KeySources sources;
  sources.environment_key = std::move(captured.encryption_key);
  const auto secrets = std::make_shared<const EnvSecrets>(std::move(captured));
  secrets_ = secrets;
  sources.passphrase_from_environment = !secrets->master_password.empty();
  if (sources.passphrase_from_environment) {
    sources.passphrase = [secrets](bool) { return secrets->master_password.clone(); };
  } else {
    sources.passphrase = may_ask ? prompt_passphrase : ask_nobody;
  }
  sources.pin = [secrets, may_ask](const vault::KeyQuestion& question) {
    return ask_pin(*secrets, question, may_ask);
  };
  for (const vault::Asked what : {vault::Asked::kTpmPin, vault::Asked::kTokenPin}) {
    if (!pin_of(*secrets, what).empty()) {
      sources.pins_from_environment.push_back(what);
    }
  }
  sources.may_prompt = may_ask;
  if (use_kept_key) {
    sources.kept = [store = paths.data](const crypto::Bytes& kek_id) {
      return ask_kept_key(store, kek_id);
    };
  }
  sources.devices = {kek::make_keyring_kek(paths.data.string()),
                     kek::make_tpm_kek({environment("AGENT_VAULT_TPM_TCTI"), false}),
                     kek::make_token_kek({})};
  return sources;
}

vault::Keyholder Context::keyholder() const {
  const auto secrets = secrets_ != nullptr ? secrets_ : std::make_shared<const EnvSecrets>();
  return {
      [secrets](const vault::KeyQuestion& question) { return ask_pin(*secrets, question, true); },
      true};
}

Expected<std::string> Context::vault_name_at(store::Store* of) {
  std::string name = vault.value_or("");
  if (name.empty()) {
    name = environment("AGENT_VAULT_VAULT");
  }
  if (name.empty()) {
    AV_TRY(name, vault_from_project());
  }
  if (name.empty() && of != nullptr) {
    AV_TRY(name, of->current_vault());
  }
  if (name.empty()) {
    name = vault::kDefaultVault;
  }
  AV_CHECK(vault::check_slug("vault", name));
  return name;
}

Status Context::audit(vault::AuditRecord record) {
  if (remote_ != nullptr) {
    return {};  // the server puts on its log what it does
  }
  if (journal_ == nullptr) {
    // No record without the store: its key signs for the journal.
    AV_CHECK(open_store());
    if (remote_ != nullptr) {
      return {};
    }
    AV_TRY(auto chain, store::RootChain::open(paths.audit(), *store, *clock));
    AV_TRY(journal_, store::AuditJournal::create(paths.audit(), "cli-" + std::to_string(::getpid()),
                                                 std::move(chain)));
  }
  if (record.time_ms == 0) {
    record.time_ms = clock->wall_ms();
  }
  return journal_->append(record);
}

std::shared_ptr<vault::LimitLedger> Context::limits() {
  if (remote_ != nullptr) {
    return nullptr;
  }
  return std::make_shared<store::LimitTable>(paths.limits());
}

Status Context::refuse_inside_run(std::string_view command) {
  std::string run = environment("AGENT_VAULT_RUN");
  if (run.empty()) {
    run = isolation::surrounding_run().value_or("");
  }
  if (run.empty()) {
    return {};
  }
  // Where isolation is off, the store is within reach, and so is its log.
  if (open_store_quietly()) {
    vault::AuditRecord record;
    record.event = "command.refused";
    record.run = run.substr(0, 64);
    record.decision = "deny";
    record.error = to_string(ErrorCode::kNotPermitted);
    record.detail = command;
    (void)audit(std::move(record));
  }
  return make_error(ErrorCode::kNotPermitted, "not available inside `agent-vault run`",
                    "ask the person who started the run to do it in a terminal of their own");
}

Status Context::check_log_is_visible() {
  std::error_code ec;
  if (std::filesystem::exists(paths.audit(), ec) || !isolation::surrounding_run()) {
    return {};
  }
  return make_error(ErrorCode::kNotPermitted,
                    "the audit log cannot be seen from inside `agent-vault run`: it says what the "
                    "run does, and the run must not be able to read or change it",
                    "run this outside, in a terminal of your own");
}

Status Context::open_store_quietly() {
  if (store != nullptr) {
    return {};
  }
  if (::access(paths.database().c_str(), F_OK) != 0) {
    return errno_error(errno, "cannot open " + paths.database().string());
  }
  AV_TRY(store::KeySources sources, key_sources(/*may_ask=*/false, /*use_kept_key=*/true));
  AV_TRY(store, store::Store::open(paths, std::move(sources), *clock));
  return {};
}

Status Context::open_store() {
  if (store != nullptr) {
    return {};
  }
  if (is_remote(*this)) {
    AV_TRY(auto api, ApiClient::from_environment(*this));
    auto remote = std::make_unique<RemoteStore>(std::move(*api));
    remote_ = remote.get();
    store = std::move(remote);
    return {};
  }
  return open_local_store(/*use_kept_key=*/true);
}

Status Context::open_store_anew() {
  return open_local_store(/*use_kept_key=*/false);
}

Status Context::open_local_store(bool use_kept_key) {
  // Neither is a store made inside of a run.
  if (::access(paths.database().c_str(), F_OK) != 0 &&
      (!environment("AGENT_VAULT_RUN").empty() || isolation::surrounding_run())) {
    return make_error(ErrorCode::kNotPermitted,
                      "this runs inside `agent-vault run`, which hides the store",
                      "requests through the proxy in HTTPS_PROXY get their credentials by "
                      "themselves; anything else is done outside the run");
  }
  AV_TRY(store::KeySources sources, key_sources(/*may_ask=*/true, use_kept_key));
  AV_TRY(store, store::Store::open(paths, std::move(sources), *clock));
  return {};
}

}  // namespace av::cmd
