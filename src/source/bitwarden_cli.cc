#include "source/bitwarden_cli.h"

#include <optional>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/bitwarden_login.h"
#include "source/bitwarden_reference.h"
#include "source/ours.h"
#include "source/program_setting.h"
#include "vault/canonical.h"

namespace av::source {
namespace {

// A vault of thousands of items; the CLI prints all that a search finds.
constexpr std::size_t kMostOutput = std::size_t{1} << 20;
constexpr std::int64_t kTimeoutMs = 20'000;  // it takes a second or two to start

struct Place {
  std::string url;  // of bw serve; empty: the program is run
  std::string program;
  std::string digest;
  std::string directory;
};

// The words of `bw`; the same question as a path of `bw serve`.
struct Question {
  std::vector<std::string> words;
  std::string path;
};

class BitwardenCli final : public Provider {
 public:
  BitwardenCli(Place place, Secret session, const Ports& ports)
      : place_(std::move(place)), session_(std::move(session)), ports_(ports) {}

  Result<About> pair() override { return test(); }
  Result<About> test() override;
  Result<Record> fetch(const std::string& item) override;
  [[nodiscard]] std::string item_of_host(std::string_view host) const override {
    return bitwarden_item_of_host(host);
  }
  Result<std::vector<Listed>> list(const std::string& reference) override;

 private:
  // The envelope, as it came.
  [[nodiscard]] Result<Secret> ask(const Question& question) const;
  [[nodiscard]] Result<Secret> run(const Question& question) const;
  [[nodiscard]] Result<Secret> get(const Question& question) const;

  const Place place_;
  const Secret session_;
  const Ports& ports_;
};

template <typename Use>
auto with_data(const Secret& envelope, const Use& use)
    -> decltype(use(std::declval<const vault::JsonView&>())) {
  return envelope.reveal(
      [&](std::string_view text) -> decltype(use(std::declval<const vault::JsonView&>())) {
        const auto document = vault::JsonDocument::parse(text);
        if (!document) {
          return failure(Failure::Why::kMalformed, "the Bitwarden CLI's answer is not JSON");
        }
        AV_TRY(const vault::JsonView data, bitwarden_data(*document));
        return use(data);
      });
}

Question status() {
  Question out;
  out.words = {"status"};
  out.path = "/status";
  return out;
}

Question question_for(const BitwardenItem& item) {
  const std::string text(item.text);
  Question out;
  if (item.kind == "id") {
    out.words = {"get", "item", text};
    out.path = "/object/item/" + encoding::percent(text);
  } else if (item.kind == "domain") {
    out.words = {"list", "items", "--url=https://" + text};
    out.path = "/list/object/items?url=" + encoding::percent("https://" + text);
  } else {
    // In one word: bw takes its global options (--raw, --session) out wherever they stand, even
    // behind an option that wants a value.
    out.words = {"list", "items", "--search=" + text};
    out.path = "/list/object/items?search=" + encoding::percent(text);
  }
  return out;
}

Result<Secret> BitwardenCli::run(const Question& question) const {
  Command command;
  command.program = place_.program;
  command.digest = place_.digest;
  command.arguments = question.words;
  command.arguments.emplace_back("--response");
  command.arguments.emplace_back("--nointeraction");
  command.timeout_ms = kTimeoutMs;
  command.most_output = kMostOutput;
  if (!session_.empty()) {
    AV_TRY(Secret session, ours(session_.clone()));
    command.environment.emplace_back("BW_SESSION", std::move(session));
  }
  if (!place_.directory.empty()) {
    AV_TRY(Secret directory, ours(Secret::copy_of(place_.directory)));
    command.environment.emplace_back("BITWARDENCLI_APPDATA_DIR", std::move(directory));
  }
  AV_TRY(CommandOutcome done, ports_.processes->run(command));
  // It says on standard output why it failed, with --response; when it could not even start, not.
  const bool spoke = done.output.reveal(
      [](std::string_view text) { return text.find('{') != std::string_view::npos; });
  if (!spoke) {
    const std::string words = excerpt(done.errors);
    return failure(Failure::Why::kMalformed,
                   "bw ended with " + std::to_string(done.exit_code) + " and said nothing" +
                       (words.empty() ? "" : "; on standard error: " + words),
                   "run `bw status` to see what is wrong");
  }
  return std::move(done.output);
}

Result<Secret> BitwardenCli::get(const Question& question) const {
  HttpRequest request;
  request.url = place_.url + question.path;
  request.fields.append("Accept: application/json\r\n");
  AV_TRY(HttpAnswer answer, ports_.http->send(request));
  // 400 with an envelope for everything that it refuses.
  if (answer.status == 200 || answer.status == 400) {
    return std::move(answer.body);
  }
  if (answer.status == 403) {
    return failure(Failure::Why::kDenied, "bw serve refused the name by which it was called",
                   "give the host name with which `bw serve --hostname` was started");
  }
  return failure(Failure::Why::kMalformed,
                 "bw serve answered HTTP " + std::to_string(answer.status));
}

Result<Secret> BitwardenCli::ask(const Question& question) const {
  return place_.url.empty() ? run(question) : get(question);
}

Result<About> BitwardenCli::test() {
  AV_TRY(const Secret envelope, ask(status()));
  return with_data(envelope, [](const vault::JsonView& data) { return bitwarden_status(data); });
}

Result<Record> BitwardenCli::fetch(const std::string& item) {
  const BitwardenItem wanted = bitwarden_item(item);
  AV_TRY(const Secret envelope, ask(question_for(wanted)));
  const std::int64_t now_ms = ports_.clock->wall_ms();
  return with_data(envelope, [&](const vault::JsonView& data) -> Result<Record> {
    return wanted.kind == "id" ? bitwarden_record(data, now_ms)
                               : bitwarden_choice(data, wanted, now_ms);
  });
}

Result<std::vector<Listed>> BitwardenCli::list(const std::string& reference) {
  if (!reference.empty()) {
    return failure(Failure::Why::kInvalid, "there is nothing below an item of Bitwarden");
  }
  Question all;
  all.words = {"list", "items"};
  all.path = "/list/object/items";
  AV_TRY(const Secret envelope, ask(all));
  return with_data(envelope, [](const vault::JsonView& data) { return bitwarden_listed(data); });
}

constexpr Setting kSettings[] = {
    {.name = "program", .help = "the Bitwarden CLI", .fallback = "bw", .program = true},
    {.name = "session",
     .help = "session key that `bw unlock` prints",
     .secret = true,
     .variable = "BW_SESSION"},
    {.name = "directory",
     .help = "where the CLI keeps its data, when that is not the usual place",
     .variable = "BITWARDENCLI_APPDATA_DIR"},
    {.name = "url",
     .help = "of a running `bw serve` on this machine (http://localhost:8087), instead of the "
             "program"},
    kIsolationSetting,
};

// Whoever can reach `bw serve` has the vault: it asks for no password. So only on this machine.
Result<std::string> serve_url(std::string url) {
  const auto wrong = [](std::string message) {
    return failure(Failure::Why::kInvalid, std::move(message),
                   "as in http://localhost:8087: bw serve asks for no password, so it must not "
                   "be reachable from elsewhere");
  };
  constexpr std::string_view kScheme = "http://";
  while (url.ends_with('/')) {
    url.pop_back();
  }
  if (!url.starts_with(kScheme)) {
    return wrong("the setting url is not an http:// URL");
  }
  const auto authority = vault::parse_authority(std::string_view(url).substr(kScheme.size()), 80);
  if (!authority) {
    return wrong("the setting url is more than a host and a port");
  }
  const std::string& host = authority->host;
  const bool loopback =
      host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
  if (host != "localhost" && host != "[::1]" && !loopback) {
    return wrong("the setting url is not on this machine");
  }
  return url;
}

Result<std::unique_ptr<Provider>> make(const vault::ExternalStore& store,
                                       vault::StoreSecrets secrets, const Ports& ports) {
  Place place;
  if (const std::string url = setting(store, "url"); !url.empty()) {
    AV_TRY(place.url, serve_url(url));
  } else {
    place.program = setting(store, "program");
    place.digest = setting(store, "program.sha256");
    place.directory = setting(store, "directory");
    if (!place.program.starts_with('/')) {
      return failure(Failure::Why::kInvalid, "the setting program is not an absolute path",
                     "pair the store again, with the Bitwarden CLI installed");
    }
    if (!place.directory.empty() && !place.directory.starts_with('/')) {
      return failure(Failure::Why::kInvalid, "the setting directory is not an absolute path");
    }
  }
  const bool can = place.url.empty() ? ports.processes != nullptr : ports.http != nullptr;
  if (!can || ports.clock == nullptr) {
    return failure(Failure::Why::kInvalid, "this store cannot be used here");
  }
  Secret session;
  if (const auto found = secrets.find("session"); found != secrets.end()) {
    session = std::move(found->second);
  }
  // 64 bytes in base64; it goes into an environment.
  const bool fits = session.reveal([](std::string_view text) {
    return text.size() <= 256 && text.find_first_of(std::string_view("\0\r\n ", 4)) == text.npos;
  });
  if (!fits) {
    return failure(Failure::Why::kInvalid, "the session key is not one",
                   "run `bw unlock --raw` and give what it prints");
  }
  return std::unique_ptr<Provider>(
      std::make_unique<BitwardenCli>(std::move(place), std::move(session), ports));
}

}  // namespace

const Kind kBitwardenCli = {
    .id = "bitwarden-cli",
    .title = "Bitwarden CLI",
    .scheme = "bw",
    .example = "bw://search/OpenAI#password",
    .settings = kSettings,
    .parse = parse_bitwarden_cli,
    .make = make,
    .finds_by_host = true,
};

}  // namespace av::source
