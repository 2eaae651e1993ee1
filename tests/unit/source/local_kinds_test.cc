#include "source/local_kinds.h"

#include <fstream>
#include <iterator>

#include "source/helper_answer.h"
#include "source/pass_file.h"
#include "unit/source/op_fixture.h"

namespace av::source {
namespace {

using namespace av::test::programs;
namespace stdfs = std::filesystem;

std::unique_ptr<Provider> made(const Kind& kind, PortsInMemory& memory,
                               vault::StoreSettings settings = {},
                               vault::StoreSecrets secrets = {}) {
  auto out = kind.make(store_with(std::move(settings)), std::move(secrets), memory.ports());
  INFO((out ? std::string() : out.error().message));
  REQUIRE(out);
  return std::move(*out);
}

TEST_CASE("pass entries: first line, key: value lines, otpauth line") {
  const Secret entry = secret_of(
      "hunter2\r\nLogin: me@example.com\nurl: https://example.com\nhttps://no.key\nEmpty:\n"
      "login: second\notpauth://totp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\nno colon here\n"
      "two words: v: w");
  const auto record = pass_record(entry);
  REQUIRE(record);
  CHECK(field_text(*record, "") == "hunter2");
  CHECK(field_text(*record, "login") == "me@example.com");
  CHECK(field_text(*record, "url") == "https://example.com");
  CHECK(field_text(*record, "two words") == "v: w");
  CHECK(record->fields.size() == 4);
  const auto code = pass_code(entry, 59'000);
  REQUIRE(code);
  CHECK(field_text(*code, "totp") == "287082");
  CHECK(code->keep_ms == 1'000);
  CHECK(code->fields.size() == 1);
  CHECK(pass_code(secret_of("only a password"), 0).error().why == Failure::Why::kNotFound);
  CHECK(pass_code(secret_of("x\nnototpauth://totp/x?secret=GEZDGNBVGY3TQOJQ"), 0).error().why ==
        Failure::Why::kNotFound);
  CHECK(pass_record(secret_of(""))->fields.empty());
  CHECK(field_text(*pass_record(secret_of("\nkey: v")), "") == "(none)");
}

TEST_CASE("pass: a folder's tree is not taken for a password") {
  CHECK(pass_folder(secret_of("web\n\xe2\x94\x9c\xe2\x94\x80\xe2\x94\x80 github\n"), "web"));
  CHECK(pass_folder(secret_of("web\n|-- github\n"), "web"));
  CHECK(pass_folder(secret_of("web\n"), "web"));
  CHECK_FALSE(pass_folder(secret_of("hunter2\nlogin: me\n"), "web"));
  CHECK_FALSE(pass_folder(secret_of("web\nlogin: me\n"), "web"));
}

TEST_CASE("pass: references are paths without surprises") {
  CHECK(kPass.parse("pass://web/github.com")->item == "web/github.com");
  CHECK(kPass.parse("pass://web/github.com#Login")->field == "login");
  CHECK(kPass.parse("pass://web/github.com#password")->field.empty());
  CHECK(kPass.parse("pass://a b/%C3%A9")->item == "a%20b/%C3%A9");
  const auto code = kPass.parse("pass://web/github.com#totp");
  CHECK(code->item == "web/github.com#totp");
  CHECK(code->field == "totp");
  for (const std::string_view bad :
       {"pass://", "pass:///etc/passwd", "pass://a//b", "pass://../x", "pass://a/../b",
        "pass://a/./b", "pass://a/%2e%2e/b", "pass://-c", "pass://%2Dc", "pass://a/", "pass://a\n",
        "pass://a%0a", "pass://a%", "pass://a#", "pass://a#k:v", "pass://a%ff", "pass://a# k"}) {
    INFO(bad);
    const auto out = kPass.parse(bad);
    REQUIRE_FALSE(out);
    CHECK(out.error().why == Failure::Why::kInvalid);
  }
}

TEST_CASE("pass and gopass are asked in their own ways") {
  PortsInMemory memory;
  memory.processes.answer = [](const Started&) { return outcome(0, "pw\nlogin: me\n"); };
  const auto pass = made(kPass, memory, {{"program", "/usr/bin/pass"}, {"store_dir", "/s"}});
  CHECK(field_text(*pass->fetch("web/a%20b"), "login") == "me");
  CHECK(memory.processes.seen[0].arguments == std::vector<std::string>{"show", "web/a b"});
  CHECK(memory.processes.seen[0].environment.at("PASSWORD_STORE_DIR") == "/s");
  CHECK(memory.processes.seen[0].environment.count("GNUPGHOME") == 0);
  const auto gopass = made(kPass, memory, {{"program", "/opt/bin/gopass"}});
  CHECK(gopass->fetch("web"));
  CHECK(memory.processes.seen[1].arguments ==
        std::vector<std::string>{"show", "--noparsing", "--unsafe", "web"});
  CHECK_FALSE(kPass.make(store_with({{"program", "/usr/bin/pass"}, {"store_dir", "rel"}}), {},
                         memory.ports()));
}

TEST_CASE("pass: what it and gpg say is sorted") {
  using Why = Failure::Why;
  const std::vector<std::pair<std::string, Why>> texts = {
      {"Error: web/x is not in the password store.", Why::kNotFound},
      {"Error: failed to retrieve secret \"web/x\": Entry not found", Why::kNotFound},
      {"gpg: public key decryption failed: No pinentry\ngpg: decryption failed: No pinentry",
       Why::kLocked},
      {"gpg: public key decryption failed: Operation cancelled", Why::kLocked},
      {"gpg: decryption failed: No secret key", Why::kDenied},
      {"Error: password store is empty. Try \"pass init\".", Why::kInvalid},
      {"", Why::kMalformed}};
  for (const auto& [text, why] : texts) {
    INFO(text);
    PortsInMemory memory;
    memory.processes.answer = [&](const Started&) { return outcome(1, "", text); };
    const auto provider = made(kPass, memory, {{"program", "/usr/bin/pass"}});
    CHECK(to_string(provider->fetch("web/x").error().why) == to_string(why));
  }
}

TEST_CASE("pass: lists are the names of its files") {
  const ProgramDirectory directory;
  stdfs::create_directory(directory.path("web"));
  stdfs::create_directory(directory.path(".git"));
  directory.write("web/github.com.gpg", "x");
  directory.write("web/notes.txt", "x");
  directory.write("top.age", "x");
  directory.write(".gpg-id", "x");
  PortsInMemory memory;
  const auto provider =
      made(kPass, memory, {{"program", "/usr/bin/pass"}, {"store_dir", directory.path(".")}});
  const auto top = provider->list("");
  REQUIRE(top);
  REQUIRE(top->size() == 2);
  CHECK(top->at(0).reference == "pass://top");
  CHECK(top->at(1).reference == "pass://web");
  CHECK(top->at(1).folder);
  const auto below = provider->list("pass://web");
  REQUIRE(below);
  REQUIRE(below->size() == 1);
  CHECK(below->at(0).reference == "pass://web/github.com");
  CHECK_FALSE(provider->list("pass://../.."));
  CHECK(provider->list("pass://none").error().why == Failure::Why::kNotFound);
}

TEST_CASE("keyring: a service and an account, looked up by attributes") {
  CHECK(kKeyring.parse("keyring://api.openai.com/me")->item == "api.openai.com/me");
  CHECK(kKeyring.parse("keyring://https%3A%2F%2Fx%2F/a b")->item == "https%3A%2F%2Fx%2F/a%20b");
  for (const std::string_view bad : {"keyring://", "keyring://a", "keyring://a/", "keyring:///b",
                                     "keyring://a/b/c", "keyring://-a/b", "keyring://a/%2Db",
                                     "keyring://a/b#c", "keyring://a/b%00", "keyring://a/b\x7f"}) {
    INFO(bad);
    CHECK_FALSE(kKeyring.parse(bad));
  }
  PortsInMemory memory;
  memory.processes.answer = [](const Started&) { return outcome(0, "value"); };
  const auto provider = made(
      kKeyring, memory, {{"program", "/usr/bin/secret-tool"}, {"account_attribute", "account"}});
  CHECK(field_text(*provider->fetch("https%3A%2F%2Fx/me"), "") == "value");
  CHECK(memory.processes.seen[0].arguments ==
        std::vector<std::string>{"lookup", "service", "https://x", "account", "me"});
  memory.processes.answer = [](const Started&) { return outcome(1, ""); };
  CHECK(provider->fetch("a/b").error().why == Failure::Why::kNotFound);
  CHECK(provider->test().has_value());
  memory.processes.answer = [](const Started&) {
    return outcome(1, "", "secret-tool: Cannot autolaunch D-Bus without X11 $DISPLAY");
  };
  CHECK(provider->fetch("a/b").error().why == Failure::Why::kUnreachable);
  CHECK(provider->test().error().why == Failure::Why::kUnreachable);
  memory.processes.answer = [](const Started&) {
    return outcome(1, "", "secret-tool: Cannot get secret of a locked object");
  };
  CHECK(provider->fetch("a/b").error().why == Failure::Why::kLocked);
  memory.processes.answer = [](const Started&) -> Result<CommandOutcome> {
    return failure(Failure::Why::kTimeout, "slow");
  };
  CHECK(provider->fetch("a/b").error().why == Failure::Why::kLocked);
  CHECK_FALSE(kKeyring.make(store_with({{"program", "/s"}, {"service_attribute", "--all"}}), {},
                            memory.ports()));
}

TEST_CASE("env: variables of our own environment, but not every one") {
  CHECK(kEnv.parse("env://OPENAI_API_KEY")->item == "OPENAI_API_KEY");
  for (const std::string_view bad : {"env://", "env://A-B", "env://1A", "env://A B", "env://PATH",
                                     "env://HOME", "env://AGENT_VAULT_TOKEN", "env://LD_PRELOAD",
                                     "env://SECRET_ENCRYPTION_KEY", "env://A=B"}) {
    INFO(bad);
    CHECK_FALSE(kEnv.parse(bad));
  }
  PortsInMemory memory;
  const auto provider = made(kEnv, memory);
  CHECK(provider->fetch("AV_TEST_NOT_SET").error().why == Failure::Why::kNotFound);
  const Variable set("AV_TEST_SET", "from-environment");
  CHECK(field_text(*provider->fetch("AV_TEST_SET"), "") == "from-environment");
  const Variable empty("AV_TEST_EMPTY", "");
  CHECK(provider->fetch("AV_TEST_EMPTY").error().why == Failure::Why::kNotFound);
}

TEST_CASE("file: whole files, lines and JSON pointers") {
  const ProgramDirectory directory;
  PortsInMemory memory;
  const auto provider = made(kFile, memory);
  const auto value = [&](const std::string& name, const std::string& inside = {}) {
    const auto parsed = kFile.parse("file://" + directory.path(name) + inside);
    REQUIRE(parsed);
    CHECK(parsed->field.empty());
    const auto out = provider->fetch(parsed->item);
    return out ? field_text(*out, "") : std::string(to_string(out.error().why));
  };
  directory.write("whole", "value \r\n", 0600);
  CHECK(value("whole") == "value ");
  directory.write("a b", "blank", 0600);
  CHECK(value("a%20b") == "blank");
  directory.write("env", "# KEY=no\nOTHER=x\nexport KEY = 'quoted value' \nKEY=second\nE=\n", 0600);
  CHECK(value("env", "#KEY") == "quoted value");
  CHECK(value("env", "#OTHER") == "x");
  CHECK(value("env", "#MISSING") == "not_found");
  CHECK(value("env", "#E") == "not_found");
  directory.write("json", R"({"a/b":{"k~":["x","\u00e4y"],"n":1}})", 0600);
  CHECK(value("json", "#/a~1b/k~0/1") == "\xc3\xa4y");
  CHECK(value("json", "#/a~1b/k~0/0") == "x");
  for (const std::string bad :
       {"#/a~1b/k~0/2", "#/a~1b/k~0/01", "#/a~1b/k~0/-", "#/a", "#/a~2b", "#/a~1b/n", "#/a~1b"}) {
    INFO(bad);
    CHECK(value("json", bad) == "not_found");
  }
  directory.write("broken", "{", 0600);
  CHECK(value("broken", "#/a") == "malformed");
  CHECK(value("missing") == "not_found");
}

TEST_CASE("file: what others may have put there, or is no file, is refused") {
  const ProgramDirectory directory;
  PortsInMemory memory;
  const auto provider = made(kFile, memory);
  const auto why = [&](const std::string& name) {
    const auto out = provider->fetch(directory.path(name));
    return out ? field_text(*out, "") : std::string(to_string(out.error().why));
  };
  directory.write("good", "secret", 0600);
  CHECK(why("good") == "secret");
  stdfs::create_symlink(directory.path("good"), directory.path("link"));
  CHECK(why("link") == "refused");
  directory.write("group", "x", 0620);
  CHECK(why("group") == "refused");
  directory.write("world", "x", 0602);
  CHECK(why("world") == "refused");
  stdfs::create_directory(directory.path("directory"));
  CHECK(why("directory") == "refused");
  REQUIRE(::mkfifo(directory.path("fifo").c_str(), 0600) == 0);
  CHECK(why("fifo") == "refused");  // and it does not wait for a writer
  directory.write("large", std::string((64 << 10) + 1, 'x'), 0600);
  CHECK(why("large") == "refused");
  directory.write("most", std::string(64 << 10, 'x'), 0600);
  CHECK(why("most").size() == (64 << 10));
  if (::geteuid() == 0) {
    directory.write("theirs", "x", 0600);
    REQUIRE(::chown(directory.path("theirs").c_str(), 12345, 12345) == 0);
    CHECK(why("theirs") == "refused");
  }
}

// ln -s DIRECTORY in the place of the one that the reference names, as an agent can.
TEST_CASE("file: a directory that has become a link does not lead the reference elsewhere") {
  const ProgramDirectory directory;
  PortsInMemory memory;
  const auto provider = made(kFile, memory);
  stdfs::create_directory(directory.path("secrets"));
  stdfs::create_directory(directory.path("ours"));
  directory.write("secrets/key", "what is meant", 0600);
  directory.write("ours/key", "key material", 0600);
  const std::string item = directory.path("secrets/key");
  CHECK(field_text(*provider->fetch(item), "") == "what is meant");
  stdfs::rename(directory.path("secrets"), directory.path("old"));
  stdfs::create_symlink(directory.path("ours"), directory.path("secrets"));
  CHECK(provider->fetch(item).error().why == Failure::Why::kRefused);
  // The control: by its name alone, the other file would be what is read.
  std::ifstream careless(item);
  CHECK(std::string(std::istreambuf_iterator<char>(careless), {}) == "key material");
}

TEST_CASE("file: what is this program's own is read under no name") {
  const ProgramDirectory directory;
  PortsInMemory memory;
  stdfs::create_directories(directory.path("store/audit"));
  directory.write("store/key", "key material", 0600);
  directory.write("store/audit/log", "log", 0600);
  directory.write("linked.db", "database", 0600);
  Ports ports = memory.ports();
  const auto open = kFile.make({}, {}, ports);
  REQUIRE(open);
  CHECK(field_text(*(*open)->fetch(directory.path("store/key")), "") == "key material");
  ports.closed = {directory.path("store"), directory.path("linked.db"), directory.path("missing")};
  const auto closed = kFile.make({}, {}, ports);
  REQUIRE(closed);
  for (const std::string name : {"store/key", "store/audit/log", "linked.db"}) {
    INFO(name);
    CHECK((*closed)->fetch(directory.path(name)).error().why == Failure::Why::kRefused);
  }
  // A hard link is the same file.
  stdfs::create_hard_link(directory.path("linked.db"), directory.path("other"));
  CHECK((*closed)->fetch(directory.path("other")).error().why == Failure::Why::kRefused);
  directory.write("mine", "x", 0600);
  CHECK(field_text(*(*closed)->fetch(directory.path("mine")), "") == "x");
}

TEST_CASE("file: references are absolute and plain") {
  CHECK(kFile.parse("file:///run/secrets/key")->item == "/run/secrets/key");
  CHECK(kFile.parse("file:///a%23b#/x/y")->item == "/a%23b#/x/y");
  for (const std::string_view bad :
       {"file://", "file:///", "file://host/x", "file://relative", "file:///a/../b", "file:///a//b",
        "file:///a/%2e%2e/b", "file:///a/", "file:///a#", "file:///a#k-v", "file:///a%00",
        "file:///a\n", "file:///a#K=V"}) {
    INFO(bad);
    CHECK_FALSE(kFile.parse(bad));
  }
}

TEST_CASE("cmd: a helper is asked as git would ask it") {
  PortsInMemory memory;
  memory.processes.answer = [](const Started&) {
    return outcome(0, "protocol=https\nhost=github.com\nusername=me\npassword=p=w \n");
  };
  const auto provider = made(kCmd, memory,
                             {{"program", "/usr/bin/helper"},
                              {"args", R"(["--profile","a b"])"},
                              {"secret_variable", "HELPER_TOKEN"}},
                             secrets_with("secret", "helper-secret"));
  const auto record = provider->fetch("github.com/org/repo");
  REQUIRE(record);
  CHECK(field_text(*record, "") == "p=w ");
  CHECK(field_text(*record, "username") == "me");
  const Started& seen = memory.processes.seen.at(0);
  CHECK(seen.arguments == std::vector<std::string>{"--profile", "a b", "get"});
  CHECK(seen.input == "protocol=https\nhost=github.com\npath=org/repo\n\n");
  CHECK(seen.environment.at("HELPER_TOKEN") == "helper-secret");
  CHECK(provider->item_of_host("api.github.com") == "api.github.com");
  memory.processes.answer = [](const Started&) { return outcome(3, "pw", "no luck"); };
  const auto failed = provider->fetch("github.com");
  CHECK(failed.error().message.find("no luck") != std::string::npos);
  CHECK(memory.processes.seen.at(1).input == "protocol=https\nhost=github.com\n\n");
}

TEST_CASE("cmd: a program that prints a value gets the name where its arguments say") {
  PortsInMemory memory;
  memory.processes.answer = [](const Started&) { return outcome(0, "value\n"); };
  const auto provider = made(
      kCmd, memory,
      {{"program", "/usr/bin/show"}, {"args", R"(["get","{}","x{}"])"}, {"protocol", "value"}});
  CHECK(field_text(*provider->fetch("prod/key"), "") == "value");
  CHECK(memory.processes.seen.at(0).arguments ==
        std::vector<std::string>{"get", "prod/key", "x{}"});
  CHECK(memory.processes.seen.at(0).input.empty());
  CHECK(provider->item_of_host("github.com").empty());
  memory.processes.answer = [](const Started&) { return outcome(0, "\n"); };
  CHECK(provider->fetch("x").error().why == Failure::Why::kNotFound);
}

TEST_CASE("cmd: answers of helpers") {
  const auto why = [](std::string_view answer) {
    const auto out = helper_record(secret_of(answer), 1'000'000);
    return out ? "pw " + field_text(*out, "") : std::string(to_string(out.error().why));
  };
  CHECK(why("password=x\n") == "pw x");
  CHECK(why("password=x") == "pw x");
  CHECK(why("password=x\n\npassword=y\n") == "pw x");
  CHECK(why("password=x\npassword=y\n") == "pw y");
  CHECK(why("wwwauth[]=Basic\npassword=x\n") == "pw x");
  CHECK(why("") == "not_found");
  CHECK(why("username=me\n") == "not_found");
  CHECK(why("password=\n") == "not_found");
  CHECK(why("quit=1\npassword=x\n") == "not_found");
  CHECK(why("just the value\n") == "malformed");
  CHECK(why("password=x\npassword_expiry_utc=1000\n") == "denied");
  CHECK(helper_record(secret_of("password=x\npassword_expiry_utc=1010\n"), 1'000'000)->keep_ms ==
        10'000);
  CHECK(helper_record(secret_of("password=x\npassword_expiry_utc=9999\n"), 1'000'000)->keep_ms ==
        60'000);
}

TEST_CASE("cmd: what the owner fixes is checked, what a reference asks for too") {
  CHECK(kCmd.parse("cmd://github.com#password")->field.empty());
  CHECK(kCmd.parse("cmd://me@github.com:8443/a")->item == "me@github.com:8443/a");
  for (const std::string_view bad :
       {"cmd://", "cmd://-x", "cmd:///x", "cmd://a b", "cmd://a\nb", "cmd://a%0a", "cmd://a/../b",
        "cmd://a#x", "cmd://a;b", "cmd://$(id)", "cmd://a=b"}) {
    INFO(bad);
    CHECK_FALSE(kCmd.parse(bad));
  }
  PortsInMemory memory;
  const auto good = [&](vault::StoreSettings settings, vault::StoreSecrets secrets = {}) {
    settings.emplace("program", "/usr/bin/helper");
    return kCmd.make(store_with(settings), std::move(secrets), memory.ports()).has_value();
  };
  CHECK(good({}));
  CHECK(good({{"args", "[]"}}));
  CHECK_FALSE(good({{"args", "get {}"}}));
  CHECK_FALSE(good({{"args", R"({"a":1})"}}));
  CHECK_FALSE(good({{"args", "[1]"}}));
  CHECK_FALSE(good({{"args", R"(["a\u0000b"])"}}));
  CHECK_FALSE(good({{"protocol", "shell"}}));
  CHECK_FALSE(good({}, secrets_with("secret", "x")));
  CHECK_FALSE(good({{"secret_variable", "LD_PRELOAD"}}, secrets_with("secret", "x")));
  CHECK_FALSE(good({{"secret_variable", "PATH"}}, secrets_with("secret", "x")));
  CHECK(good({{"secret_variable", "TOKEN"}}, secrets_with("secret", "x")));
}

}  // namespace
}  // namespace av::source
