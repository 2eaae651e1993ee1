#include "cmd/strict_view.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cmd/path_facts.h"
#include "cmd/stand_in_files.h"
#include "cmd/strict_tables.h"
#include "isolation/mount_table.h"

namespace av::cmd {
namespace {

namespace stdfs = std::filesystem;

stdfs::path home_in(const EnvBlock& env) {
  const auto home = env.get("HOME");
  return home && home->starts_with('/') ? stdfs::path(std::string(*home)) : stdfs::path();
}

stdfs::path resolved(const stdfs::path& path) {
  std::error_code ec;
  stdfs::path out = stdfs::canonical(path, ec);
  return ec ? path : out;
}

bool is_at_or_below(const stdfs::path& path, const stdfs::path& directory) {
  return isolation::is_within(path.native(), directory.native());
}

class Builder {
 public:
  Builder(const StrictRequest& request, const EnvBlock& env)
      : request_(request), env_(env), home_(resolved(home_in(env))) {}

  Expected<StrictView> build() {
    AV_CHECK(add_writable());
    add_profile();
    add_scratch();
    AV_CHECK(add_private());
    add_guarded();
    add_kept();
    return std::move(view_);
  }

 private:
  Status add_writable() {
    std::vector<stdfs::path> wanted{request_.cwd};
    for (const std::string& each : request_.write) {
      std::error_code ec;
      const stdfs::path path = stdfs::absolute(each, ec);
      if (!is_there(path)) {
        return make_error(ErrorCode::kNotFound, each + " is not there to be written to",
                          "make it first: mkdir -p " + each);
      }
      wanted.push_back(path);
    }
    const stdfs::path cwd = resolved(request_.cwd);
    const bool asked = std::any_of(wanted.begin() + 1, wanted.end(), [&](const auto& each) {
      return is_at_or_below(home_, resolved(each));
    });
    if (!home_.empty() && is_at_or_below(home_, cwd) && !asked) {
      return make_error(ErrorCode::kNotPermitted,
                        "the command would work in " + cwd.string() +
                            ", and could change everything in your home directory",
                        "cd to a project, or say so: --write " + home_.string());
    }
    for (const stdfs::path& each : wanted) {
      AV_CHECK(refuse_private(each));
      view_.files.writable.push_back(resolved(each));
    }
    return {};
  }

  // What is private is given back by its own name alone. An earlier command could have put a link
  // to it where another name leads.
  Status refuse_private(const stdfs::path& path) {
    const stdfs::path real = resolved(path);
    for (const char* const each : kPrivate) {
      const stdfs::path named = each[0] == '/' || home_.empty() ? stdfs::path(each) : home_ / each;
      if (is_at_or_below(real, resolved(named)) && !asked_for(resolved(named))) {
        return make_error(ErrorCode::kNotPermitted,
                          path.string() + " leads to " + real.string() + ", which is private",
                          "say so: --read " + real.string() + ", or --write for writing as well");
      }
    }
    return {};
  }

  void add_profile() {
    const std::string name = stdfs::path(request_.argv.front()).filename().string();
    for (const Profile& profile : kProfiles) {
      if (name != profile.program || home_.empty()) {
        continue;
      }
      for (const char* const each : profile.directories) {
        std::error_code ec;
        if (each != nullptr && (is_folder(home_ / each) || make_own(home_ / each))) {
          view_.files.writable.push_back(resolved(home_ / each));
        }
      }
      for (const char* const each : profile.files) {
        if (each != nullptr && is_there(home_ / each)) {
          view_.files.writable.push_back(resolved(home_ / each));
        }
      }
    }
  }

  static bool make_own(const stdfs::path& path) {
    std::error_code ec;
    stdfs::create_directories(path.parent_path(), ec);
    return ::mkdir(path.c_str(), 0700) == 0;
  }

  void add_scratch() {
    const std::string path(env_.get("PATH").value_or(""));
    for (const Scratch& each : kScratch) {
      const stdfs::path directory = home_ / each.path;
      const bool wanted = each.program != nullptr && is_on_path(each.program, path);
      if (home_.empty() || (!is_folder(directory) && !(wanted && make_own(directory)))) {
        continue;
      }
      const stdfs::path real = resolved(directory);
      const bool writable =
          std::any_of(view_.files.writable.begin(), view_.files.writable.end(),
                      [&](const auto& other) { return is_at_or_below(real, other); });
      if (!writable) {
        view_.files.scratch.push_back(real);
      }
    }
  }

  Status add_private() {
    AV_TRY(view_.masked,
           stand_in_files(request_.snapshot, request_.placeholders, request_.directory, home_));
    for (const char* const each : kPrivate) {
      add_private_path(home_.empty() ? stdfs::path(each) : home_ / each);
    }
    for (const char* const name : kPrivateVariables) {
      std::string list(env_.get(name).value_or(""));
      // KUBECONFIG names several.
      for (std::size_t at = 0; at <= list.size();) {
        const std::size_t end = std::min(list.find(':', at), list.size());
        if (const std::string one = list.substr(at, end - at); one.starts_with('/')) {
          add_private_path(one);
        }
        at = end + 1;
      }
    }
    return {};
  }

  void add_private_path(const stdfs::path& path) {
    if (!path.is_absolute() || !is_there(path)) {
      return;
    }
    const stdfs::path real = resolved(path);
    if (asked_for(real) || real == "/dev/null" || is_at_or_below(home_, real) ||
        is_at_or_below(resolved(request_.cwd), real) ||
        std::any_of(view_.masked.begin(), view_.masked.end(),
                    [&](const auto& mask) { return resolved(mask.target) == real; })) {
      return;
    }
    if (std::find(view_.files.emptied.begin(), view_.files.emptied.end(), real) ==
        view_.files.emptied.end()) {
      view_.files.emptied.push_back(real);
    }
  }

  // What is below the home, there or not: logins are saved by renaming a new file over the old one.
  void add_guarded() {
    const auto holds = [](const std::vector<stdfs::path>& places, const stdfs::path& path) {
      return std::any_of(places.begin(), places.end(),
                         [&](const auto& place) { return is_at_or_below(path, place); });
    };
    for (const char* const each : kPrivate) {
      const stdfs::path path = each[0] == '/' || home_.empty() ? stdfs::path() : home_ / each;
      if (!path.empty() && !asked_for(path) && !holds(view_.files.writable, path) &&
          !holds(view_.files.scratch, path)) {
        view_.files.guarded.push_back(path);
      }
    }
  }

  // Named by --read or --write, or with something in it that is.
  [[nodiscard]] bool asked_for(const stdfs::path& path) const {
    const auto names = [&](const std::string& each) {
      const auto named = own_name(each);
      return named && (is_at_or_below(path, *named) || is_at_or_below(*named, path));
    };
    return std::any_of(request_.read.begin(), request_.read.end(), names) ||
           std::any_of(request_.write.begin(), request_.write.end(), [&](const std::string& each) {
             const auto named = own_name(each);
             return named && *named == path;
           });
  }

  // Where a path leads; nullopt when links lead it into something else than it says. Those above
  // the home are the system's (/home may be one).
  [[nodiscard]] std::optional<stdfs::path> own_name(const std::string& path) const {
    std::error_code ec;
    const stdfs::path said = stdfs::absolute(path, ec).lexically_normal();
    const stdfs::path home = home_in(env_).lexically_normal();
    const auto [end, rest] = std::mismatch(home.begin(), home.end(), said.begin(), said.end());
    stdfs::path expected = said;
    if (!home.empty() && end == home.end()) {
      expected = home_;
      for (auto part = rest; part != said.end(); ++part) {
        expected /= *part;
      }
    }
    const stdfs::path real = resolved(said);
    return real == (expected.has_filename() ? expected : expected.parent_path())
               ? std::optional<stdfs::path>(real)
               : std::nullopt;
  }

  void add_kept() {
    view_.files.kept.push_back(request_.directory.path());
    if (!home_.empty()) {
      view_.files.kept.push_back(home_);
    }
    for (const std::string& each : request_.read) {
      std::error_code ec;
      view_.files.kept.push_back(stdfs::absolute(each, ec));
    }
    if (const auto runtime = env_.get("XDG_RUNTIME_DIR")) {
      view_.files.runtime = std::string(*runtime);
    }
  }

  const StrictRequest& request_;
  const EnvBlock& env_;
  stdfs::path home_;
  StrictView view_;
};

}  // namespace

Expected<StrictView> strict_view(const StrictRequest& request, const EnvBlock& env) {
  return Builder(request, env).build();
}

}  // namespace av::cmd
