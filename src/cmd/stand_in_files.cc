#include "cmd/stand_in_files.h"

#include <sys/stat.h>

#include <cerrno>

#include "cmd/path_facts.h"

namespace av::cmd {
namespace {

namespace stdfs = std::filesystem;
using Masks = std::vector<isolation::LaunchSpec::Mask>;

Status make_directory(const stdfs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return errno_error(errno, "cannot make " + path.string());
  }
  return {};
}

// The first key of a service has a placeholder in this run: whose password it is.
const std::string* placeholder_of(const vault::Service& service, const Placeholders& placeholders) {
  for (const std::string& key : service.credential_keys()) {
    if (const auto found = placeholders.find(key); found != placeholders.end()) {
      return &found->second;
    }
  }
  return nullptr;
}

// netrc(5). A host with a pattern in it is no machine.
std::string netrc(const vault::PolicySnapshot& snapshot, const Placeholders& placeholders) {
  std::string out;
  for (const vault::Service& service : snapshot.matcher.services()) {
    const std::string* const placeholder = placeholder_of(service, placeholders);
    if (service.enabled && placeholder != nullptr && service.host.find('*') == std::string::npos) {
      out += "machine " + service.host + " login agent-vault password " + *placeholder + "\n";
    }
  }
  return out;
}

std::string aws_credentials(const std::string* id, const std::string* secret) {
  if (id == nullptr || secret == nullptr) {
    return {};
  }
  return "[default]\naws_access_key_id = " + *id + "\naws_secret_access_key = " + *secret + "\n";
}

std::string gh_hosts(const std::string* token) {
  return token == nullptr ? std::string()
                          : "github.com:\n    oauth_token: " + *token +
                                "\n    git_protocol: https\n    user: agent-vault\n";
}

}  // namespace

Expected<Masks> stand_in_files(const vault::PolicySnapshot& snapshot,
                               const Placeholders& placeholders, const RunDirectory& directory,
                               const stdfs::path& home) {
  Masks masks;
  const auto in_variable = [&](const char* name) {
    return placeholder_in(snapshot, placeholders, name);
  };
  // A directory in the place of one, with one file in it.
  const auto add_directory = [&](const stdfs::path& target, const std::string& name,
                                 const std::string& file, const std::string& text) -> Status {
    if (text.empty() || !is_there(target)) {
      return {};
    }
    AV_CHECK(make_directory(directory.path() / name));
    AV_TRY(const auto written, directory.write(name + "/" + file, text));
    masks.push_back({target, written.parent_path()});
    return {};
  };
  if (home.empty()) {
    return masks;
  }
  if (const std::string text = netrc(snapshot, placeholders);
      !text.empty() && is_there(home / ".netrc")) {
    AV_TRY(auto written, directory.write("netrc", text));
    masks.push_back({home / ".netrc", std::move(written)});
  }
  const std::string* token = in_variable("GITHUB_TOKEN");
  token = token != nullptr ? token : in_variable("GH_TOKEN");
  AV_CHECK(add_directory(home / ".config/gh", "gh", "hosts.yml", gh_hosts(token)));
  AV_CHECK(add_directory(
      home / ".aws", "aws", "credentials",
      aws_credentials(in_variable("AWS_ACCESS_KEY_ID"), in_variable("AWS_SECRET_ACCESS_KEY"))));
  return masks;
}

}  // namespace av::cmd
