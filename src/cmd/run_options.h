#pragma once
// What `run` was asked for, on the command line and in the user's config file.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cmd/ca_bundle.h"
#include "cmd/run_ports.h"
#include "core/clock.h"
#include "core/expected.h"
#include "isolation/level.h"
#include "proxy/egress_proxy.h"
#include "proxy/net_guard.h"
#include "vault/policy.h"

namespace av::cmd {

class OptionSet;

// As written, before anything is checked.
struct RunWords {
  std::string profile;
  std::string agent;
  std::string isolation;
  std::vector<std::string> upstream_ca;
  std::vector<std::string> resolve;
  std::vector<std::string> allow_net;
  std::vector<std::string> expose;
  std::vector<std::string> allow_local;
  std::vector<std::string> share;
  std::vector<std::string> write;
  std::vector<std::string> read;
  std::string upstream_proxy;
  std::string unmatched;
  std::string ttl;
  double connect_timeout = 0;  // seconds; 0: not given
  double header_timeout = 0;
  bool no_skill = false;
  bool capture_logins = false;
  // For a run at a server.
  std::string address;
  std::string ca_fingerprint;
  bool allow_cleartext = false;
};
void add_run_options(OptionSet& app, RunWords& words);
// Those of them that say where traffic may go, which `serve` has too.
void add_traffic_options(OptionSet& app, RunWords& words);
// Those of these that say how an address is reached, for whatever talks to a server itself.
void add_reach_options(OptionSet& app, RunWords& words);

struct RunOptions {
  std::string agent;                          // empty: none
  std::optional<Millis> ttl;                  // of the session; nullopt: as long as the run
  std::optional<isolation::Level> isolation;  // nullopt: the default, which may fall back
  std::vector<std::string> upstream_ca;
  proxy::NetOptions net;
  RunPorts ports;                  // of a run with a network of its own
  std::vector<std::string> share;  // checked names: see ways_out.h
  std::vector<std::string> write;  // at `strict`
  std::vector<std::string> read;
  std::shared_ptr<const proxy::EgressOptions> egress;  // null: connect directly
  std::optional<vault::UnmatchedPolicy> unmatched;
  std::optional<Millis> connect_timeout;
  std::optional<Millis> header_timeout;
  bool skill = true;
  bool capture_logins = false;
  std::string vault;                 // of the profile; empty: it has none
  std::vector<std::string> command;  // of the profile
  bool marks_prompt = false;         // the command is a shell for a person (wrapped_shell.h)
};
// Which table of the config file.
enum class ConfigTable : std::uint8_t {
  kRun,
  kServe,  // its other keys are serve_options.h's business
};
// A table [profile.NAME] of the config file, which goes over [run].
struct ProfileChoice {
  std::string name;       // empty: none
  bool required = false;  // it was named; otherwise it is the one for a program, if there is one
};
// Reads table [run], or [serve], of the config file, if there is one, and the profile; what the
// command line says is added to its lists and wins over its other keys. Unknown keys are errors.
// The environment is the user's own: it says which proxy to use where neither of the two does.
[[nodiscard]] Expected<RunOptions> resolve_options(const RunWords& words,
                                                   const std::filesystem::path& config_file,
                                                   const EnvLookup& env,
                                                   ConfigTable table = ConfigTable::kRun,
                                                   const ProfileChoice& profile = {});

}  // namespace av::cmd
