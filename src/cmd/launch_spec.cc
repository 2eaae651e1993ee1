#include "cmd/launch_spec.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cmd/ca_bundle.h"
#include "cmd/hidden_paths.h"
#include "cmd/nested_sandbox.h"
#include "cmd/network_view.h"
#include "cmd/output.h"
#include "cmd/strict_view.h"
#include "cmd/ways_out.h"
#include "cmd/wrapped_shell.h"

namespace av::cmd {
namespace {

bool is_in(const std::filesystem::path& path, const std::filesystem::path& directory) {
  std::error_code ec;
  const auto above = std::filesystem::canonical(directory, ec);
  const auto differs = std::mismatch(above.begin(), above.end(), path.begin(), path.end());
  return !ec && differs.first == above.end();
}

// What lies in a covered directory is not there to be covered.
void add_hidden(std::vector<std::filesystem::path>& hidden,
                std::vector<std::filesystem::path> more) {
  for (std::filesystem::path& path : more) {
    if (std::none_of(hidden.begin(), hidden.end(),
                     [&](const auto& above) { return is_in(path, above); })) {
      hidden.push_back(std::move(path));
    }
  }
}

// No socket of another program can be used at `landlock`, so nothing need be laid over them; in a
// directory above something hidden nothing new could be made, and the runtime directory is one.
void keep_only_files(std::vector<std::filesystem::path>& closed, const EnvBlock& env) {
  const std::filesystem::path home(std::string(env.get("HOME").value_or("")));
  std::erase_if(closed, [&](const std::filesystem::path& path) {
    std::error_code ec;
    return home.empty() || !is_in(path, home) || !std::filesystem::is_directory(path, ec);
  });
}

// Sockets that are listened on, but for those in or below `kept`.
std::vector<std::filesystem::path> sockets_but_for(const std::vector<std::filesystem::path>& kept) {
  std::vector<std::filesystem::path> sockets = sockets_in_use();
  std::erase_if(sockets, [&](const std::filesystem::path& socket) {
    return std::any_of(kept.begin(), kept.end(),
                       [&](const auto& above) { return is_in(socket, above); });
  });
  return sockets;
}

// The store and the configuration, and what would lead around that.
Status hide(const Context& context, CommandLaunch& launch, isolation::LaunchSpec& spec) {
  AV_TRY(HiddenPaths hidden, hidden_paths(context.paths));
  for (const std::string& warning : hidden.warnings) {
    warn(context, warning);
  }
  spec.hidden = std::move(hidden.paths);
  spec.files.kept = spec.hidden;  // sealed, not gone: nothing can be made in their place
  add_hidden(spec.hidden, std::move(launch.hidden));
  const bool landlock = launch.level == isolation::Level::kLandlock;
  if (landlock && !launch.options.share.empty()) {
    warn(context, "--share " + launch.options.share.front() +
                      ": nothing can be shared at isolation landlock, which closes all sockets");
  }
  WaysOut ways = landlock ? ways_out(isolation::Level::kStore, {}, launch.env)
                          : ways_out(launch.level, launch.options.share, launch.env);
  if (landlock) {
    keep_only_files(ways.closed, launch.env);
    ways.missed.clear();
  }
  for (const std::string& name : ways.missed) {
    notice(context, name +
                        " is closed to the command, which could have a program started outside " +
                        "of its isolation by it; --share " + name + " gives it back");
  }
  add_hidden(spec.hidden, std::move(ways.closed));
  spec.files.kept.insert(spec.files.kept.end(), ways.kept.begin(), ways.kept.end());
  spec.own_abstract_sockets = launch.options.share.empty();
  if (isolation::has_network(launch.level)) {
    // One of them may be the way of another program into the network outside.
    if (launch.level < isolation::Level::kStrict) {
      add_hidden(spec.hidden, sockets_but_for(spec.files.kept));
    }
    add_hidden(spec.hidden, name_service_sockets());
    AV_TRY(auto masks, name_server_masks(launch.directory));
    for (isolation::LaunchSpec::Mask& each : masks) {
      spec.masked.push_back(std::move(each));
    }
  }
  return {};
}

Status restrict_files(CommandLaunch& launch, isolation::LaunchSpec& spec) {
  AV_TRY(StrictView view,
         strict_view({launch.argv, spec.cwd, launch.options.write, launch.options.read,
                      launch.snapshot, launch.placeholders, launch.directory},
                     launch.env));
  // Those in /run and /tmp go with these. What the command works in is its own business.
  std::vector<std::filesystem::path> own = view.files.writable;
  own.insert(own.end(), spec.files.kept.begin(), spec.files.kept.end());
  add_hidden(spec.hidden, sockets_but_for(own));
  for (std::filesystem::path& path : spec.files.kept) {
    view.files.kept.push_back(std::move(path));
  }
  spec.files = std::move(view.files);
  for (isolation::LaunchSpec::Mask& each : view.masked) {
    spec.masked.push_back(std::move(each));
  }
  return {};
}

}  // namespace

Expected<std::string> write_trust_store(const RunDirectory& directory, std::string_view bundle,
                                        std::string_view path) {
  if (!is_on_path("java", path)) {
    return std::string();
  }
  AV_TRY(const auto file,
         directory.write("truststore.p12", make_trust_store(certificates_in(bundle))));
  return file.string();
}

Expected<isolation::LaunchSpec> make_launch_spec(const Context& context, CommandLaunch launch) {
  isolation::LaunchSpec spec;
  spec.argv = launch.argv;
  if (launch.options.marks_prompt) {
    AV_CHECK(mark_prompt(spec.argv, launch.env, launch.directory));
  }
  if (!can_nest(launch.level, ::geteuid() == 0)) {
    NestedSandbox nested = settle_own_sandbox(spec.argv, launch.env, launch.level);
    spec.argv = std::move(nested.argv);
    if (!nested.notice.empty()) {
      notice(context, nested.notice);
    }
  }
  spec.run_id = std::move(launch.run_id);
  spec.masked = std::move(launch.masked);
  if (launch.level != isolation::Level::kOff) {
    std::error_code ec;
    spec.cwd = std::filesystem::current_path(ec).string();
    if (ec) {
      return errno_error(ec.value(), "cannot tell the working directory", "cd to one that exists");
    }
    AV_CHECK(hide(context, launch, spec));
  }
  if (launch.level >= isolation::Level::kStrict) {
    AV_CHECK(restrict_files(launch, spec));
  }
  spec.environment = launch.env.encode();
  return spec;
}

Error exec_failed(int error_number, const std::string& program) {
  return errno_error(error_number, "cannot run " + program,
                     error_number == ENOENT ? "check the spelling, and PATH"
                                            : "check that it is a program that you may execute");
}

}  // namespace av::cmd
