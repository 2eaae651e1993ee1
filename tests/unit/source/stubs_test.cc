// The providers that are programs, against stand-ins for those programs (tests/support), really
// started.

#include "source/local_kinds.h"
#include "source/onepassword.h"
#include "source/process_runner.h"
#include "source/program_file.h"
#include "unit/source/op_fixture.h"

namespace av::source {
namespace {

using namespace av::test::programs;
namespace stdfs = std::filesystem;

constexpr std::string_view kToken = "ops_eyJzaWduSW5BZGRyZXNzIjoibXkifQ";
constexpr const char* kData = R"({"token":"ops_eyJzaWduSW5BZGRyZXNzIjoibXkifQ","misbehave":"WORD",
  "vaults":[{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"API Keys","items":[
    {"id":"cccccccccccccccccccccccccc","title":"OpenAI","category":"LOGIN",
     "urls":[{"href":"https://platform.openai.com"}],"sections":[{"id":"s1","label":"Admin"}],
     "fields":[{"id":"password","label":"password","type":"CONCEALED","value":"sk-value"},
               {"id":"f1","label":"token","section":{"id":"s1"},"value":"admin\n"},
               {"id":"f2","label":"one-time password","type":"OTP","value":"otpauth://x","totp":"123456"}]},
    {"id":"dddddddddddddddddddddddddd","title":"Twin","category":"PASSWORD","fields":[]},
    {"id":"eeeeeeeeeeeeeeeeeeeeeeeeee","title":"Twin","category":"PASSWORD","fields":[]}]}]})";

// A stand-in in a directory of its own, found as pairing would find it.
class Stub {
 public:
  Stub(const std::string& support, const std::string& name) {
    const std::string to = directory.path(name);
    stdfs::copy_file(stdfs::path(AV_TEST_SUPPORT) / support, to);
    REQUIRE(::chmod(to.c_str(), 0700) == 0);
    const auto found = find_program(to);
    INFO((found ? std::string() : found.error().message));
    REQUIRE(found);
    program = *found;
  }
  [[nodiscard]] std::unique_ptr<Provider> provider(const Kind& kind,
                                                   vault::StoreSecrets secrets = {}) {
    Ports ports;
    ports.processes = &runner;
    ports.clock = &clock;
    vault::StoreSettings settings = {{"program", program.path}, {"program.sha256", program.digest}};
    auto out = kind.make(store_with(std::move(settings)), std::move(secrets), ports);
    REQUIRE(out);
    return std::move(*out);
  }
  ProgramDirectory directory;
  FoundProgram program;
  ProcessRunner runner;
  StillClock clock;
};

class StubOp : public Stub {
 public:
  StubOp() : Stub("fake_op", "op") { data(""); }
  void data(const std::string& word) {
    std::string text = kData;
    text.replace(text.find("WORD"), 4, word);
    directory.write("fake_op.json", text, 0600);
  }
  [[nodiscard]] std::unique_ptr<Provider> onepassword(std::string_view token = kToken) {
    return provider(kOnePassword, secrets_with("token", token));
  }
};

std::string fetched(Provider& provider, const std::string& item, std::string_view field = {}) {
  const auto out = provider.fetch(item);
  return out ? field_text(*out, field)
             : std::string(to_string(out.error().why)) + ": " + out.error().message;
}

TEST_CASE("op, started for real: values, codes, lists") {
  const Variable session("OP_SESSION_my", "parent");  // the stand-in refuses to see these
  const Variable connect("OP_CONNECT_HOST", "http://evil");
  StubOp op;
  const auto provider = op.onepassword();
  const auto about = provider->pair();
  INFO((about ? std::string() : about.error().message));
  REQUIRE(about);
  CHECK(about->account == "my.1password.com B6JBRNFXPJGHPGD6CCG76JFDEE");
  CHECK(fetched(*provider, "API Keys/OpenAI/password") == "sk-value");
  CHECK(fetched(*provider, "api keys/openai/PASSWORD") == "sk-value");
  CHECK(fetched(*provider, "API Keys/OpenAI/Admin/token") == "admin\n");
  CHECK(fetched(*provider, "API Keys/OpenAI/one-time password?attribute=otp") == "123456");
  CHECK(fetched(*provider, "aaaaaaaaaaaaaaaaaaaaaaaaaa/cccccccccccccccccccccccccc/password") ==
        "sk-value");
  CHECK(provider->list("")->at(0).reference == "op://API Keys");
  const auto items = provider->list("op://API Keys");
  REQUIRE(items);
  CHECK(items->at(0).hosts == std::vector<std::string>{"platform.openai.com"});
  CHECK(items->at(1).reference == "op://API Keys/dddddddddddddddddddddddddd");
  CHECK(provider->list("op://API Keys/OpenAI")->size() == 3);
}

TEST_CASE("op, started for real: what goes wrong") {
  StubOp op;
  const auto provider = op.onepassword();
  const auto why = [&](const std::string& item) {
    const auto out = provider->fetch(item);
    INFO((out ? std::string() : out.error().message));
    return out ? std::string("fetched") : std::string(to_string(out.error().why));
  };
  CHECK(why("API Keys/Nope/password") == "not_found");
  CHECK(why("Nope/OpenAI/password") == "not_found");
  CHECK(why("API Keys/OpenAI/nope") == "not_found");
  CHECK(why("API Keys/Twin/password") == "invalid");
  const std::vector<std::pair<std::string, std::string>> words = {
      {"deleted", "denied"},      {"forbidden", "denied"},  {"rate_limit", "busy"},
      {"offline", "unreachable"}, {"signed_out", "locked"}, {"deadline", "timeout"},
      {"endless", "malformed"},   {"empty", "not_found"},   {"leave", "fetched"}};
  for (const auto& [word, expected] : words) {
    INFO(word);
    op.data(word);
    CHECK(why("API Keys/OpenAI/password") == expected);
  }
  op.data("html");
  CHECK(provider->test().error().why == Failure::Why::kMalformed);
  op.data("old");
  CHECK(provider->test()->account == "CI");
  op.data("");
  CHECK(op.onepassword("ops_wrong")->test().error().why == Failure::Why::kDenied);
}

TEST_CASE("op, exchanged after pairing, gets no token") {
  StubOp op;
  const auto provider = op.onepassword();
  CHECK(fetched(*provider, "API Keys/OpenAI/password") == "sk-value");
  op.directory.script("op", "env > " + op.directory.path("stolen"));
  CHECK(fetched(*provider, "API Keys/OpenAI/password").starts_with("refused"));
  CHECK_FALSE(stdfs::exists(op.directory.path("stolen")));
  // The control: not pinned, it would have been run, with the token.
  op.program.digest.clear();
  (void)op.onepassword()->fetch("API Keys/OpenAI/password");
  CHECK(stdfs::exists(op.directory.path("stolen")));
}

TEST_CASE("pass and gopass, started for real") {
  for (const std::string name : {"pass", "gopass"}) {
    INFO(name);
    Stub stub("fake_pass", name);
    stdfs::create_directories(stub.directory.path("password-store/web"));
    stub.directory.write("password-store/web/a b.gpg",
                         "hunter2\nlogin: me\notpauth://totp/x?secret=GEZDGNBVGY3TQOJQ\n", 0600);
    const auto provider = stub.provider(kPass);
    CHECK(provider->test().has_value());
    CHECK(fetched(*provider, "web/a%20b") == "hunter2");
    CHECK(fetched(*provider, "web/a%20b", "login") == "me");
    CHECK(fetched(*provider, "web/a%20b#totp", "totp").size() == 6);
    CHECK(fetched(*provider, "web").starts_with("not_found"));
    CHECK(fetched(*provider, "none").starts_with("not_found"));
    stub.directory.write("locked", "", 0600);
    CHECK(fetched(*provider, "web/a%20b").starts_with("locked"));
    stdfs::remove_all(stub.directory.path("password-store"));
    CHECK(provider->test().error().why == Failure::Why::kInvalid);
  }
}

TEST_CASE("secret-tool, started for real") {
  Stub stub("fake_secret_tool", "secret-tool");
  const auto provider = stub.provider(kKeyring);
  stub.directory.write("fake_secret_tool.json",
                       R"([{"attributes":{"service":"x.com","username":"me","xdg:schema":"y"},
                            "secret":"from-keyring"}])",
                       0600);
  CHECK(provider->test().has_value());
  CHECK(fetched(*provider, "x.com/me") == "from-keyring");
  CHECK(fetched(*provider, "x.com/you").starts_with("not_found"));
  stub.directory.write("fake_secret_tool.json",
                       R"({"error":"Cannot autolaunch D-Bus without X11 $DISPLAY"})", 0600);
  CHECK(fetched(*provider, "x.com/me").starts_with("unreachable"));
}

}  // namespace
}  // namespace av::source
