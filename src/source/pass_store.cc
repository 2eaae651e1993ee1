// pass 1.7 (passwordstore.org) and gopass 1.15: `show PATH`, and for lists the names of the files.

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/local_kinds.h"
#include "source/pass_file.h"
#include "source/program_setting.h"
#include "source/reference_path.h"

namespace av::source {
namespace {

constexpr std::string_view kScheme = "pass://";
constexpr std::string_view kCode = "#totp";
constexpr std::size_t kMostPath = 512;
constexpr std::size_t kMostEntry = std::size_t{64} << 10;
constexpr std::size_t kMostListed = 2000;

constexpr std::array kSettings = {
    Setting{.name = "program",
            .help = "pass or gopass, a name or an absolute path",
            .fallback = "pass",
            .program = true},
    Setting{.name = "store_dir",
            .help = "the password store, when it is not ~/.password-store",
            .variable = "PASSWORD_STORE_DIR"},
    Setting{.name = "gnupg_home",
            .help = "the keys of GnuPG, when they are not in ~/.gnupg",
            .variable = "GNUPGHOME"},
    kIsolationSetting, share_setting("gpg-agent")};

Result<std::string> entry_path(std::string_view text) {
  AV_TRY(std::string path, decoded_part(text, "path"));
  bool good = !path.empty() && path.size() <= kMostPath && path.front() != '-';
  std::string_view rest = path;
  while (good) {
    const std::size_t end = rest.find('/');
    const std::string_view part = rest.substr(0, end);
    good = !part.empty() && part != "." && part != "..";
    if (end == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(end + 1);
  }
  if (!good) {
    return failure(
        Failure::Why::kInvalid,
        "the path in the reference is empty, too long, begins with \"-\" or \"/\", or has "
        "\".\" or \"..\" in it",
        "as `pass ls` shows it: pass://web/github.com");
  }
  return path;
}

Result<Reference> parse(std::string_view text) {
  text.remove_prefix(std::min(kScheme.size(), text.size()));
  const std::size_t mark = text.find('#');
  AV_TRY(const std::string path, entry_path(text.substr(0, mark)));
  Reference out;
  out.item = percent_path(path);
  if (mark == std::string_view::npos) {
    return out;
  }
  const std::string_view field = text.substr(mark + 1);
  const bool good = !field.empty() && field.size() <= 128 && ascii::trim(field) == field &&
                    std::all_of(field.begin(), field.end(), [](char c) {
                      return ascii::is_word(c) || c == '-' || c == '.' || c == ' ';
                    });
  if (!good) {
    return failure(Failure::Why::kInvalid,
                   "behind \"#\" stands the key of a \"key: value\" line, or totp",
                   "pass://web/github.com#login; without \"#\" it is the first line");
  }
  out.field = ascii::lower(field);
  if (out.field == "totp") {
    // Codes are kept for less long than the rest: an item of their own.
    out.item += kCode;
  } else if (out.field == "password") {
    out.field.clear();
  }
  return out;
}

Failure pass_failure(const CommandOutcome& outcome) {
  const std::string said = ascii::lower(outcome.errors);
  const std::string words = excerpt(outcome.errors);
  const std::string message =
      words.empty() ? "pass has failed without a word" : "pass says: " + words;
  const auto has = [&](std::string_view part) { return said.find(part) != std::string::npos; };
  // gpg's reasons first: pass adds nothing to them.
  if (has("no pinentry") || has("inappropriate ioctl") || has("operation cancelled") ||
      has("canceled") || has("bad passphrase") || has("timeout")) {
    return failure(Failure::Why::kLocked, message,
                   "decrypt something in a terminal (`pass show NAME`): gpg-agent then remembers "
                   "the passphrase");
  }
  if (has("no secret key")) {
    return failure(Failure::Why::kDenied, message, "import the key, or set gnupg_home");
  }
  if (has("not in the password store") || has("entry not found") || has("not found")) {
    return failure(Failure::Why::kNotFound, message, "`pass ls` shows what there is");
  }
  if (has("password store is empty") || has("pass init") || has("not initialized")) {
    return failure(Failure::Why::kInvalid, message, "set store_dir to where the store is");
  }
  if (has("decryption failed")) {
    return failure(Failure::Why::kDenied, message);
  }
  return failure(Failure::Why::kMalformed, message, "try `pass show NAME` by hand");
}

class Pass final : public Provider {
 public:
  Pass(Program program, std::string directory, std::string keys, const Ports& ports)
      : program_(std::move(program)),
        directory_(std::move(directory)),
        keys_(std::move(keys)),
        ports_(ports) {}

  Result<About> pair() override { return who(); }
  Result<About> test() override { return who(); }

  Result<Record> fetch(const std::string& item) override {
    std::string_view encoded = item;
    const bool code = encoded.ends_with(kCode);
    if (code) {
      encoded.remove_suffix(kCode.size());
    }
    AV_TRY(const std::string path, entry_path(encoded));
    // gopass would hide what it takes for unsafe, and rewrite what it takes for YAML.
    AV_TRY(const CommandOutcome outcome,
           run(gopass() ? std::vector<std::string>{"show", "--noparsing", "--unsafe", path}
                        : std::vector<std::string>{"show", path}));
    if (pass_folder(outcome.output, path)) {
      return failure(Failure::Why::kNotFound, "\"" + excerpt(path) + "\" is a folder",
                     "`pass ls` shows what is in it");
    }
    return code ? pass_code(outcome.output, ports_.clock->wall_ms()) : pass_record(outcome.output);
  }

  // pass has no output for programs: the names of its files are the list.
  Result<std::vector<Listed>> list(const std::string& reference) override {
    std::string below;
    if (!reference.empty() && reference != kScheme) {
      AV_TRY(below, entry_path(std::string_view(reference).substr(
                        std::min(kScheme.size(), reference.size()))));
    }
    const std::string root = root_directory();
    using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;
    const Directory directory(::opendir((root + "/" + below).c_str()), &::closedir);
    if (directory == nullptr) {
      return failure(Failure::Why::kNotFound, "there is no folder " + excerpt(root + "/" + below),
                     "set store_dir to where the store is");
    }
    std::vector<Listed> out;
    while (const dirent* entry = ::readdir(directory.get())) {
      add(std::string(entry->d_name), root, below, out);
      if (out.size() == kMostListed) {
        break;
      }
    }
    std::sort(out.begin(), out.end(),
              [](const Listed& a, const Listed& b) { return a.reference < b.reference; });
    return out;
  }

 private:
  static void add(std::string name, const std::string& root, const std::string& below,
                  std::vector<Listed>& out) {
    if (name.empty() || name[0] == '.' || !encoding::is_utf8(name)) {
      return;
    }
    const std::string above = below.empty() ? "" : below + "/";
    struct stat info {};
    if (::stat((root + "/" + above + name).c_str(), &info) != 0) {
      return;
    }
    const bool folder = S_ISDIR(info.st_mode);
    const std::size_t dot = name.rfind('.');
    if (!folder) {
      const std::string_view kind = std::string_view(name).substr(std::min(dot, name.size()));
      if (!S_ISREG(info.st_mode) || (kind != ".gpg" && kind != ".age")) {
        return;
      }
      name.resize(dot);
    }
    out.push_back(
        {std::string(kScheme) + percent_path(above + name), encoding::printable(name), {}, folder});
  }

  [[nodiscard]] bool gopass() const { return program_.path.ends_with("/gopass"); }

  [[nodiscard]] std::string root_directory() const {
    if (!directory_.empty()) {
      return directory_;
    }
    const char* home = std::getenv("HOME");
    return std::string(home == nullptr ? "" : home) + "/.password-store";
  }

  Result<CommandOutcome> run(std::vector<std::string> arguments) const {
    Command command = program_.command();
    command.arguments = std::move(arguments);
    command.most_output = kMostEntry;
    const std::array<std::pair<std::string_view, std::string_view>, 3> variables = {
        {{"PASSWORD_STORE_DIR", directory_}, {"GNUPGHOME", keys_}, {"LC_ALL", "C.UTF-8"}}};
    for (const auto& [name, value] : variables) {
      auto secret = Secret::copy_of(value);
      if (!secret) {
        return failure(Failure::Why::kMalformed, "the protected memory for secrets is full");
      }
      if (!value.empty()) {
        command.environment.emplace_back(std::string(name), std::move(*secret));
      }
    }
    AV_TRY(CommandOutcome outcome, ports_.processes->run(command));
    if (outcome.exit_code != 0) {
      return pass_failure(outcome);
    }
    return outcome;
  }

  // `ls` without a folder fails on a store that is none.
  Result<About> who() const {
    AV_TRY(const CommandOutcome outcome, run({"ls"}));
    (void)outcome;
    About out;
    out.account = encoding::printable(excerpt(root_directory()));
    out.detail = gopass() ? "gopass" : "pass";
    return out;
  }

  const Program program_;
  const std::string directory_;
  const std::string keys_;
  const Ports ports_;
};

Result<std::unique_ptr<Provider>> make(const vault::ExternalStore& store,
                                       vault::StoreSecrets secrets, const Ports& ports) {
  (void)secrets;
  AV_TRY(Program program, program_setting(store, "program"));
  const std::string directory = setting(store, "store_dir");
  const std::string keys = setting(store, "gnupg_home");
  for (const std::string& path : {directory, keys}) {
    if (!path.empty() && path[0] != '/') {
      return failure(Failure::Why::kInvalid, excerpt(path) + " is no absolute path");
    }
  }
  return std::unique_ptr<Provider>(
      std::make_unique<Pass>(std::move(program), directory, keys, ports));
}

}  // namespace

const Kind kPass = {.id = "pass",
                    .title = "pass, gopass",
                    .scheme = "pass",
                    .example = "pass://web/github.com#login",
                    .settings = kSettings,
                    .parse = &parse,
                    .make = &make,
                    .finds_by_host = false};

}  // namespace av::source
