#include "cmd/network_view.h"

#include <sys/stat.h>

namespace av::cmd {
namespace {

namespace stdfs = std::filesystem;

constexpr const char* kResolvConf = "/etc/resolv.conf";
constexpr std::string_view kResolvText =
    "# of agent-vault: names are answered by the broker of this run\n"
    "nameserver 127.0.0.1\n"
    "options edns0 timeout:5 attempts:2\n";

// systemd-resolved (varlink), nscd, avahi, sssd.
constexpr const char* kSockets[] = {
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/systemd/resolve/io.systemd.Resolve.Monitor",
    "/run/nscd/socket",
    "/var/run/nscd/socket",
    "/run/avahi-daemon/socket",
    "/var/lib/sss/pipes/nss",
};

}  // namespace

std::vector<stdfs::path> name_service_sockets() {
  std::vector<stdfs::path> found;
  for (const char* const path : kSockets) {
    struct stat info {};
    if (::stat(path, &info) == 0) {
      found.emplace_back(path);
    }
  }
  return found;
}

Expected<std::vector<isolation::LaunchSpec::Mask>> name_server_masks(
    const RunDirectory& directory) {
  std::vector<isolation::LaunchSpec::Mask> masks;
  struct stat info {};
  if (::stat(kResolvConf, &info) == 0 && S_ISREG(info.st_mode)) {
    AV_TRY(stdfs::path file, directory.write("resolv.conf", kResolvText));
    masks.push_back({kResolvConf, std::move(file)});
  }
  return masks;
}

}  // namespace av::cmd
