#pragma once
// The commands of the program are rows of one table (command_table.cc). A row says what the command
// is called, what it is for, what must be ready before it runs, and how to set it up: OptionSet
// parses, help, completions and the man page check read the same table.

#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/expected.h"
#include "core/fs.h"
#include "core/secret.h"
#include "store/audit_journal.h"
#include "store/store.h"
#include "vault/audit_action.h"

namespace av::cmd {

class OptionSet;
class RemoteStore;
struct EnvSecrets;

enum class Needs {
  kNothing,  // parse and go
  kStore,    // main opens (on first use: makes) and unlocks the store first
};

// What a command may touch. Tests build one with their own streams and home.
struct Context : vault::ActionLog {
  std::FILE* out = stdout;  // data
  std::FILE* err = stderr;  // words
  const Clock* clock = nullptr;
  fs::Paths paths;                      // when empty, fs::default_paths() before the command runs
  bool json = false;                    // --json
  std::optional<std::string> vault;     // --vault, when given
  bool local = false;                   // --local: the store of this machine, whatever is set
  std::string address;                  // --address: in place of AGENT_VAULT_ADDR
  bool allow_cleartext = false;         // --allow-cleartext
  std::unique_ptr<store::Store> store;  // set for Needs::kStore
  // What followed "KEY=" on the command line of `credential set` or `proposal approve`, in order;
  // argv and the words that the parser sees hold only "KEY=".
  std::vector<Secret> argv_values;

  // --vault, AGENT_VAULT_VAULT, agent-vault.json|toml of the project, `vault use` (at a server: the
  // only one that one may use), "default".
  Expected<std::string> vault_name() { return vault_name_at(store.get()); }
  // The same for a store that is not the context's; may be null.
  Expected<std::string> vault_name_at(store::Store* of);
  // Puts a record on the log; opens the store for it. What commands do: see audit_action.h.
  Status audit(vault::AuditRecord record) override;
  [[nodiscard]] std::uint64_t next_action() override { return ++actions_; }
  // The counters of rate limits, to look at; null when they cannot be had.
  std::shared_ptr<vault::LimitLedger> limits();
  // Opens the store as main does for Needs::kStore; for commands that must do something first.
  Status open_store();
  // The same, but the person is asked although `unlock` has asked before: to show that it is them.
  Status open_store_anew();
  // Only a store that is there, and without asking anybody for anything.
  Status open_store_quietly();
  // Who is asked for a PIN when the store is to be locked in another way; after the store is open.
  [[nodiscard]] vault::Keyholder keyholder() const;
  // kNotPermitted when this process is part of a run, whatever its environment says
  // (isolation/run_marker.h); on the log where the store can be reached. At `store` it cannot be
  // reached from there anyway; at `off` this keeps honest agents honest and is no more than that.
  Status refuse_inside_run(std::string_view command);
  // Inside a run that covers the log there is none to be seen, which must not look like a log that
  // nothing is on.
  Status check_log_is_visible();

  // The store when it is a server's; else null.
  [[nodiscard]] RemoteStore* remote() const { return remote_; }

 private:
  Status open_local_store(bool use_kept_key);
  Expected<store::KeySources> key_sources(bool may_ask, bool use_kept_key);

  std::shared_ptr<const EnvSecrets> secrets_;  // what the environment gave to open the store with
  RemoteStore* remote_ = nullptr;              // what `store` holds
  std::unique_ptr<store::AuditJournal> journal_;
  std::uint64_t actions_ = 0;
};

// The exit code of a command that worked; errors are returned and printed by main.
using Run = std::function<Expected<int>(Context&)>;
// Adds options to the subcommand and returns what to run after parsing. Options live in a
// shared_ptr that the returned function keeps.
using Setup = Run (*)(OptionSet&);

struct Command {
  std::string_view path;     // "vault credential set"
  std::string_view summary;  // one line, lower case, no full stop
  Needs needs = Needs::kStore;
  Setup setup = nullptr;
  bool guarded = false;    // reveals values or changes policy: refuse_inside_run() first
  bool only_here = false;  // about files of this machine: refused where a server is named
};

// Every command, in the order of help. Each group's rows live in its own file.
std::span<const Command> command_table();

std::span<const Command> vault_commands();       // vault_cmd.cc
std::span<const Command> credential_commands();  // credential_cmd.cc
std::span<const Command> service_commands();     // service_cmd.cc
std::span<const Command> approval_commands();    // approval_cmd.cc
std::span<const Command> proposal_commands();    // proposal_cmd.cc
std::span<const Command> shell_init_commands();
std::span<const Command> store_commands();       // store_cmd.cc: vault store
std::span<const Command> oauth_commands();       // oauth_cmd.cc
std::span<const Command> rule_commands();        // rule_cmd.cc
std::span<const Command> key_commands();         // key_cmd.cc: key, ca
std::span<const Command> unlock_commands();      // unlock_cmd.cc: unlock, lock
std::span<const Command> log_commands();         // log_cmd.cc
std::span<const Command> audit_commands();       // audit_cmd.cc
std::span<const Command> run_commands();         // run_cmd.cc: run
std::span<const Command> agent_commands();       // agent_cmd.cc
std::span<const Command> serve_commands();       // serve_cmd.cc: serve
std::span<const Command> user_commands();        // user_cmd.cc
std::span<const Command> member_commands();      // member_cmd.cc: vault member
std::span<const Command> login_commands();       // login_cmd.cc: login, logout, whoami
std::span<const Command> container_commands();   // container_env_cmd.cc
std::span<const Command> doctor_commands();      // doctor_cmd.cc
std::span<const Command> completion_commands();  // completion_cmd.cc

}  // namespace av::cmd
