#include "source/onepassword.h"

#include "source/op_errors.h"
#include "source/op_items.h"
#include "source/op_reference.h"
#include "unit/source/op_fixture.h"

namespace av::source {
namespace {

using namespace av::test::programs;

constexpr std::string_view kToken = "ops_eyJzaWduSW5BZGRyZXNzIjoibXkuMXBhc3N3b3JkLmNvbSJ9";

struct OnePasswordInMemory : PortsInMemory {
  std::unique_ptr<Provider> provider() {
    auto out = kOnePassword.make(store_with({{"program", "/usr/bin/op"}}),
                                 secrets_with("token", kToken), ports());
    REQUIRE(out);
    return std::move(*out);
  }
};

TEST_CASE("references to 1Password: vault, item, section, field and attribute") {
  const auto parsed =
      parse_op_reference("op://API Keys/OpenAI-1.2_x/Admin/one-time password?attribute=otp");
  REQUIRE(parsed);
  CHECK(parsed->vault == "API Keys");
  CHECK(parsed->item == "OpenAI-1.2_x");
  CHECK(parsed->section == "Admin");
  CHECK(parsed->field == "one-time password");
  CHECK(parsed->attribute == "otp");
  CHECK(parse_op_reference("op://v/i/f?attribute=value")->attribute.empty());
  CHECK(parse_op_reference("op://v/i/f?attr=type")->attribute == "type");
  CHECK(parse_op_reference("op://v/i/private key?ssh-format=openssh")->format == "openssh");
}

TEST_CASE("references to 1Password: what they cannot hold is refused, and named") {
  for (const std::string_view bad : {"op://",
                                     "op://v",
                                     "op://v/i",
                                     "op://v/i/",
                                     "op:///i/f",
                                     "op://v//f",
                                     "op://v/i/s/f/x",
                                     "op://v/i//f",
                                     "op://v/(i)/f",
                                     "op://v/i/f?attribute=evil",
                                     "op://v/i/f?x=otp",
                                     "op://v/i/f?attribute=otp&attribute=otp",
                                     "op://v/i/f?",
                                     "op://../i/f",
                                     "op://v/./f",
                                     "op://v/i/f\n",
                                     "op://v/i/$f",
                                     "op://v/i/{f}",
                                     "op://v/ i/f",
                                     "op://v/i /f",
                                     "OP://v/i/f",
                                     "op://v/i/\xc3\xa9",
                                     "op://v/i/f#x",
                                     "op://v/i/f%20",
                                     "op://v/\"i\"/f",
                                     "op://v/'i/f"}) {
    INFO(bad);
    const auto out = parse_op_reference(bad);
    REQUIRE_FALSE(out);
    CHECK(out.error().why == Failure::Why::kInvalid);
    CHECK_FALSE(out.error().message.empty());
  }
  CHECK_FALSE(parse_op_reference("op://v/i/" + std::string(257, 'f')));
  CHECK_FALSE(parse_op_reference("op://v/i/" + std::string(2000, 'f')));
  CHECK(parse_op_reference("op://v/i/" + std::string(256, 'f')));
  CHECK(parse_op_reference("op://v/(i)/f").error().message.find("\"(\"") != std::string::npos);
  CHECK(parse_op_reference("op://v/(i)/f").error().hint.find("id") != std::string::npos);
}

TEST_CASE("references to 1Password: op reads value by value, Connect by item") {
  CHECK(parse_op("op://v/i/s/f")->item == "v/i/s/f");
  CHECK(parse_op("op://v/i/s/f")->field.empty());
  CHECK(parse_op("op://v/i/f?attribute=otp")->item == "v/i/f?attribute=otp");
  const auto connect = parse_op_connect("op://Vault/Item/Section/Field");
  REQUIRE(connect);
  CHECK(connect->item == "Vault/Item");
  CHECK(connect->field == "section/field");
  CHECK(parse_op_connect("op://v/i/Code?attribute=otp")->item == "v/i?attribute=otp");
  CHECK_FALSE(parse_op_connect("op://v/i/key?ssh-format=openssh"));
  CHECK_FALSE(parse_op_connect("op://v/i/key?attribute=type"));
}

TEST_CASE("op's error texts are sorted by what one can do about them") {
  using Why = Failure::Why;
  const std::vector<std::pair<std::string, Why>> texts = {
      {"[ERROR] 2026/08/21 12:00:00 could not read secret 'op://v/nope/password': could not get "
       "item "
       "v/nope: \"nope\" isn't an item in the \"v\" vault. Specify the item with its UUID, name, "
       "or "
       "domain.",
       Why::kNotFound},
      {"[ERROR] could not read secret 'op://v/i/nope': item 'v/i' does not have a field 'nope'",
       Why::kNotFound},
      {"[ERROR] 2026/10/07 12:00:00 \"nope\" isn't a vault in this account. Specify the vault with "
       "its ID or name.",
       Why::kNotFound},
      {"[ERROR] 2023/06/26 11:55:32 (429) Too Many Requests: You've reached the maximum number of "
       "this type of requests this service account is allowed to make. Please retry in 58 minutes "
       "or "
       "try other requests.",
       Why::kBusy},
      {"[ERROR] (403) Forbidden (Service Account Deleted): The Service Account used in this "
       "integration has been deleted.",
       Why::kDenied},
      {"[ERROR] (403) Forbidden: You aren't authorized to access this resource.", Why::kDenied},
      {"[ERROR] 2026/09/28 12:00:00 (401) Unauthorized: invalid bearer token", Why::kDenied},
      {"[ERROR] 2026/09/28 23:02:09 could not read secret 'op://NoVault/NoItem/token': error "
       "initializing client: Validation: (failed to session.DecodeSACredentials), Server: (failed "
       "to "
       "DecodeSACredentials), illegal base64 data at input byte 12",
       Why::kDenied},
      {"[ERROR] could not read secret 'op://v/i/f': error initializing client: You are not "
       "currently "
       "signed in. Please run `op signin --help` for instructions",
       Why::kLocked},
      {"[ERROR] could not find session token for account my", Why::kLocked},
      {"[ERROR] 2026/02/03 19:17:20 could not read secret 'op://v/i/f': error initializing client: "
       "authorization timeout",
       Why::kLocked},
      {"[ERROR] 2023/05/20 00:20:53 More than one item matches \"login\". Try again and specify "
       "the "
       "item by its ID:\n\t* for the item \"Login\" in vault Private: ai46l2ccrszcvygm2v6lltgchq",
       Why::kInvalid},
      {"[ERROR] invalid secret reference 'op://For Chang's Claude/item/credential': invalid "
       "character "
       "in secret reference: '''",
       Why::kInvalid},
      {"[ERROR] 2026/09/14 18:52:01 could not read secret 'op://v/i/f': error initializing client: "
       "read: context deadline exceeded",
       Why::kTimeout},
      {"[ERROR] 2026/09/28 12:00:00 could not read secret 'op://v/i/f': error initializing client: "
       "authenticating with the server: Post \"https://my.1password.com/api/v3/auth/start\": dial "
       "tcp: lookup my.1password.com: no such host",
       Why::kUnreachable},
      {"[ERROR] something new in op 3", Why::kMalformed},
      {"", Why::kMalformed}};
  for (const auto& [text, why] : texts) {
    INFO(text);
    const Failure out = op_failure(text);
    CHECK(to_string(out.why) == to_string(why));
    CHECK_FALSE(out.message.empty());
    CHECK(out.message.find("could not read secret") == std::string::npos);
  }
  CHECK(op_failure(texts[3].first).retry_ms == 58 * 60'000);
  CHECK(op_failure("(429) Too Many Requests").retry_ms == 60'000);
  CHECK(op_failure("(429) retry in 3 hours").retry_ms == 3'600'000);
  CHECK(op_failure("(429) retry in 0 seconds").retry_ms == 1'000);
}

TEST_CASE("op's error texts: names that people gave decide nothing") {
  const auto why = [](const std::string& text) { return op_failure(text).why; };
  CHECK(why("[ERROR] \"Too Many Requests (429)\" isn't an item in the \"signed in\" vault.") ==
        Failure::Why::kNotFound);
  CHECK(
      why("[ERROR] could not read secret 'op://v/unauthorized/f': item 'v/unauthorized (401)' does "
          "not have a field 'rate limit'") == Failure::Why::kNotFound);
  CHECK(why("[ERROR] \"isn't an item") == Failure::Why::kMalformed);
}

TEST_CASE("op's error texts: a token in them is not shown, nor what a terminal would obey") {
  const Failure out = op_failure("[ERROR] bad token ops_eyJsecret in\x1b[31m use");
  CHECK(out.message.find("ops_") == std::string::npos);
  CHECK(out.message.find("eyJ") == std::string::npos);
  CHECK(out.message.find('\x1b') == std::string::npos);
}

TEST_CASE("1Password: a value is read with the token in that program's environment alone") {
  OnePasswordInMemory memory;
  memory.processes.answer = [](const Started&) { return outcome(0, "sk-value\n "); };
  const auto provider = memory.provider();
  auto record = provider->fetch("API Keys/OpenAI/credential");
  REQUIRE(record);
  CHECK(field_text(*record, "") == "sk-value\n ");  // --no-newline: what is there belongs to it
  CHECK(record->keep_ms == 60'000);
  REQUIRE(memory.processes.seen.size() == 1);
  const Started& seen = memory.processes.seen[0];
  CHECK(seen.program == "/usr/bin/op");
  CHECK(seen.arguments ==
        std::vector<std::string>{"read", "--no-newline", "op://API Keys/OpenAI/credential"});
  CHECK(seen.environment.at("OP_SERVICE_ACCOUNT_TOKEN") == kToken);
  CHECK(seen.environment.at("OP_BIOMETRIC_UNLOCK_ENABLED") == "false");
  CHECK(seen.environment.at("OP_CACHE") == "false");
  CHECK(seen.input.empty());
}

TEST_CASE("1Password: a one-time code is kept until the next one, an empty field is none") {
  OnePasswordInMemory memory;
  memory.processes.answer = [](const Started&) { return outcome(0, "123456"); };
  const auto provider = memory.provider();
  memory.clock.now = 1'700'000'000'000 - 1'700'000'000'000 % 30'000 + 29'000;
  CHECK(provider->fetch("v/i/one-time password?attribute=otp")->keep_ms == 1'000);
  memory.clock.now += 1'000;
  CHECK(provider->fetch("v/i/one-time password?attribute=otp")->keep_ms == 30'000);
  memory.processes.answer = [](const Started&) { return outcome(0, ""); };
  CHECK(provider->fetch("v/i/f").error().why == Failure::Why::kNotFound);
}

TEST_CASE("1Password: what fails says why, and shows nothing that was printed") {
  OnePasswordInMemory memory;
  memory.processes.answer = [](const Started&) {
    return outcome(1, "leaked-value", "[ERROR] 2026/01/01 00:00:00 (401) Unauthorized: no\n");
  };
  const auto provider = memory.provider();
  const auto out = provider->fetch("v/i/f");
  REQUIRE_FALSE(out);
  CHECK(out.error().why == Failure::Why::kDenied);
  CHECK(out.error().message.find("leaked") == std::string::npos);
  memory.processes.answer = [](const Started&) -> Result<CommandOutcome> {
    return failure(Failure::Why::kRefused, "changed");
  };
  CHECK(provider->fetch("v/i/f").error().why == Failure::Why::kRefused);
}

TEST_CASE("1Password: whoami says who is paired") {
  OnePasswordInMemory memory;
  memory.processes.answer = [](const Started& started) {
    CHECK(started.arguments == std::vector<std::string>{"whoami", "--format", "json"});
    return outcome(0, R"({"url":"https://my.1password.com","URL":"https://my.1password.com",
      "user_uuid":"B6JBRNFXPJGHPGD6CCG76JFDEE","account_uuid":"2RNPNUVXRRC2PBMSJVNUYNQSFE",
      "user_type":"SERVICE_ACCOUNT","ServiceAccountType":"SERVICE_ACCOUNT"})");
  };
  const auto provider = memory.provider();
  CHECK(provider->pair()->account == "my.1password.com B6JBRNFXPJGHPGD6CCG76JFDEE");
  CHECK(provider->test().has_value());
  for (const std::string_view bad : {"", "[]", "no", "{\"url\":1}x"}) {
    memory.processes.answer = [bad](const Started&) { return outcome(0, bad); };
    CHECK(provider->test().error().why == Failure::Why::kMalformed);
  }
}

TEST_CASE("1Password: an op that knows its service account later only is asked twice") {
  OnePasswordInMemory memory;
  memory.processes.answer = [](const Started& started) {
    return started.arguments[0] == "whoami"
               ? outcome(1, "", "[ERROR] service account token set, but not authenticated yet")
               : outcome(0, R"({"id":"X","name":"CI","type":"SERVICE_ACCOUNT"})");
  };
  CHECK(memory.provider()->pair()->account == "CI");
  CHECK(memory.processes.seen[1].arguments ==
        std::vector<std::string>{"user", "get", "--me", "--format", "json"});
}

TEST_CASE("1Password: lists have names, ids where names do not do, hosts, and no values") {
  OnePasswordInMemory memory;
  memory.processes.answer = [](const Started& started) {
    if (started.arguments[0] == "vault") {
      return outcome(0, R"([{"id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"API Keys"},
                            {"id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","name":"Odd: 1"
    }])");
    }
    if (started.arguments[1] == "list") {
      return outcome(0, R"([{"id":"cccccccccccccccccccccccccc","title":"GitHub","category":"LOGIN",
        "urls":[{"primary":true,"href":"https://GitHub.com/login"},{"href":"api.github.com"},
                {"href":"javascript:alert"},{"href":"github.com"}]
},
        {"id":"dddddddddddddddddddddddddd","title":"Twin","category":"LOGIN"},
        {"id":"eeeeeeeeeeeeeeeeeeeeeeeeee","title":"twin","category":"API_CREDENTIAL",
         "urls":[{"href":"https://x.com"}]}])");
    }
    return outcome(0, R"({"id":"c","sections":[{"id":"s1","label":"Admin"}],"fields":[
      {"id":"username","label":"username","value":"canary-user"},
      {"id":"f1","label":"token","section":{"id":"s1"},"value":"canary-token"},
      {"id":"f2","label":"one-time password","type":"OTP","value":"otpauth://canary","totp":"1"}]})");
  };
  const auto provider = memory.provider();
  const auto vaults = provider->list("");
  REQUIRE(vaults);
  REQUIRE(vaults->size() == 2);
  CHECK((*vaults)[0].reference == "op://API Keys");
  CHECK((*vaults)[0].folder);
  CHECK((*vaults)[1].reference == "op://bbbbbbbbbbbbbbbbbbbbbbbbbb");
  const auto items = provider->list("op://API Keys");
  REQUIRE(items);
  REQUIRE(items->size() == 3);
  CHECK((*items)[0].reference == "op://API Keys/GitHub");
  CHECK((*items)[0].hosts == std::vector<std::string>{"github.com", "api.github.com"});
  CHECK((*items)[1].reference == "op://API Keys/dddddddddddddddddddddddddd");
  CHECK((*items)[2].hosts.empty());
  const auto fields = provider->list("op://API Keys/GitHub");
  REQUIRE(fields);
  REQUIRE(fields->size() == 3);
  CHECK((*fields)[0].reference == "op://API Keys/GitHub/username");
  CHECK((*fields)[1].reference == "op://API Keys/GitHub/Admin/token");
  CHECK((*fields)[2].reference == "op://API Keys/GitHub/one-time password?attribute=otp");
  for (const Listed& field : *fields) {
    CHECK((field.reference + field.title).find("canary") == std::string::npos);
    CHECK_FALSE(field.folder);
    CHECK(parse_op(field.reference));
  }
  CHECK(memory.processes.seen[1].arguments ==
        std::vector<std::string>{"item", "list", "--vault", "API Keys", "--format", "json"});
  CHECK_FALSE(provider->list("op://v/i/f"));
  CHECK_FALSE(provider->list("op://v/-i"));
  CHECK(memory.processes.seen.size() == 3);
}

TEST_CASE("1Password: a token of another sort, or a program that is none, is not paired") {
  PortsInMemory memory;
  const auto why = [&](std::string_view token, const vault::StoreSettings& settings) {
    const auto out =
        kOnePassword.make(store_with(settings), secrets_with("token", token), memory.ports());
    return out ? std::string("made") : std::string(to_string(out.error().why));
  };
  const vault::StoreSettings good = {{"program", "/usr/bin/op"}};
  CHECK(why(kToken, good) == "made");
  CHECK(why("eyJhbGciOi", good) == "invalid");
  CHECK(why("ops_a b", good) == "invalid");
  CHECK(why("ops_a\n", good) == "invalid");
  CHECK(why("", good) == "invalid");
  CHECK(why(kToken, {}) == "invalid");
  CHECK(why(kToken, {{"program", "op"}}) == "invalid");
  CHECK(why(kToken, {{"program", "/usr/bin/op"}, {"program.sha256", "abc"}}) == "invalid");
  CHECK(why(kToken, {{"program", "/usr/bin/op"}, {"program.sha256", std::string(64, 'a')}}) ==
        "made");
}

TEST_CASE("websites become canonical hosts, or nothing") {
  CHECK(host_of_website("https://Example.com:8443/x?y#z") == "example.com");
  CHECK(host_of_website("example.com") == "example.com");
  CHECK(host_of_website(" http://example.com. ") == "example.com");
  for (const std::string_view none :
       {"", "ftp://example.com", "https://", "https://user@example.com", "not a host",
        "android://x", "https://[::1"}) {
    INFO(none);
    CHECK(host_of_website(none).empty());
  }
}

}  // namespace
}  // namespace av::source
