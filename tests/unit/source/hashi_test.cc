// HashiCorp Vault and OpenBao, against tests/support/fake_vault.py.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "source/hashi_provider.h"
#include "unit/source/counterpart.h"
#include "unit/source/fake_http.h"

using namespace av;
using namespace av::source;
using namespace av::test;
using nlohmann::json;
using Why = Failure::Why;

namespace {

constexpr const char* kKubernetesJwt = "eyJhbGciOiJSUzI1NiJ9.a3ViZQ.c2ln";
constexpr const char* kJwt = "eyJhbGciOiJSUzI1NiJ9.and0.c2ln";

using Words = std::map<std::string, std::string>;

struct Setup {
  Counterpart vault{"fake_vault.py"};
  MovedClock clock;
  vault::StoreSecrets kept;
  int keeps = 0;

  Ports ports() {
    Ports out;
    out.http = &vault.http;
    out.clock = &clock;
    out.keep = [this](const vault::StoreSecrets& secrets) -> Status {
      ++keeps;
      kept.clear();
      for (const auto& [name, value] : secrets) {
        kept.emplace(name, secret(shown(value)));
      }
      return {};
    };
    return out;
  }
  Result<std::unique_ptr<Provider>> make(Words settings, Words secrets) {
    vault::ExternalStore store;
    store.settings.insert(settings.begin(), settings.end());
    store.settings.emplace("url", vault.url());
    vault::StoreSecrets sealed;
    for (const auto& [name, value] : secrets) {
      sealed.emplace(name, secret(value));
    }
    return kHashi.make(store, std::move(sealed), ports());
  }
  std::unique_ptr<Provider> provider(Words settings, Words secrets) {
    auto out = make(std::move(settings), std::move(secrets));
    INFO((out ? "" : out.error().message));
    REQUIRE(out);
    return std::move(*out);
  }
  std::unique_ptr<Provider> by_token(Words settings = {}) {
    return provider(std::move(settings), {{"token", "root-token"}});
  }
  std::unique_ptr<Provider> by_approle() {
    const std::string secret_id = vault.control("secret_id", json::object())["secret_id"];
    return provider({{"auth", "approle"}, {"role_id", "role-agent"}}, {{"secret_id", secret_id}});
  }
  // Both clocks.
  void pass_s(int seconds) {
    clock.pass_s(seconds);
    vault.control("clock", {{"advance", seconds}});
  }
  int logins() { return vault.look("state")["logins"].get<int>(); }
  int leases() { return static_cast<int>(vault.look("state")["leases"].size()); }
  int alive() {
    const json state = vault.look("state");
    int out = 0;
    for (const auto& lease : state["leases"]) {
      out += lease["alive"].get<bool>() ? 1 : 0;
    }
    return out;
  }
};

std::string value(const Result<Record>& got, std::string_view field) {
  if (!got) {
    return std::string(to_string(got.error().why)) + ": " + got.error().message;
  }
  const auto found = field_of(*got, field);
  return found ? shown(**found) : found.error().message;
}

std::string read(Provider& provider, std::string_view reference) {
  const auto parsed = parse_hashi(reference);
  return parsed ? value(provider.fetch(parsed->item), parsed->field) : parsed.error().message;
}

Failure failed(Provider& provider, std::string_view reference) {
  const auto parsed = parse_hashi(reference);
  REQUIRE(parsed);
  const auto got = provider.fetch(parsed->item);
  REQUIRE_FALSE(got);
  INFO(got.error().message);
  CHECK(got.error().message.find('\n') == std::string::npos);
  return got.error();
}

class TempFile {
 public:
  explicit TempFile(const std::string& text) {
    path_ = (std::filesystem::temp_directory_path() / "av-hashi-XXXXXX").string();
    const int fd = ::mkstemp(path_.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    write(text);
  }
  ~TempFile() { std::filesystem::remove(path_); }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<std::string> references(const Result<std::vector<Listed>>& listed) {
  std::vector<std::string> out;
  if (!listed) {
    return {listed.error().message};
  }
  for (const Listed& one : *listed) {
    out.push_back(one.reference);
  }
  return out;
}

}  // namespace

TEST_CASE("vault: KV of both versions is read, wherever it is mounted", "[source][hashi]") {
  Setup s;
  const auto provider = s.by_token();
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
  CHECK(read(*provider, "vault://secret/app#port") == "8080");
  CHECK(read(*provider, "vault://secret/app#nested") == R"({"deep": "sk-deep"})");
  CHECK(read(*provider, "vault://secret/deep/er/one#v") == "sk-deeper");
  CHECK(read(*provider, "vault://kv1/app#token") == "kv1-token");
  CHECK(read(*provider, "vault://team/nested/kv/app#api_key") == "sk-nested");
  CHECK(read(*provider, "vault://secret/app#nothing") ==
        "the item has no field \"nothing\"; it has api_key, nested, port");
  // What was learned of a mount is kept: one more request for the same path, not two.
  const int before = s.vault.count("sys/internal/ui/mounts");
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
  CHECK(s.vault.count("sys/internal/ui/mounts") == before);
  const auto record = provider->fetch("secret/app");
  REQUIRE(record);
  CHECK_FALSE(record->lease);
  CHECK(record->keep_ms == 60'000);
}

TEST_CASE("vault: versions of KV 2, deleted and destroyed ones", "[source][hashi]") {
  Setup s;
  const auto provider = s.by_token();
  const json at = {{"mount", "secret/"}, {"path", "app"}};
  const auto change = [&](const json& what) {
    json body = at;
    body.update(what);
    s.vault.control("kv", body);
  };
  change({{"data", {{"api_key", "second-key"}}}});
  CHECK(read(*provider, "vault://secret/app#api_key") == "second-key");
  CHECK(read(*provider, "vault://secret/app?version=1#api_key") == "sk-vault-app");
  CHECK(failed(*provider, "vault://secret/app?version=3#api_key").why == Why::kNotFound);

  change({{"delete", {2}}});
  const Failure deleted = failed(*provider, "vault://secret/app#api_key");
  CHECK(deleted.why == Why::kNotFound);
  CHECK(deleted.message == "in Vault, secret/app was deleted at 2026-02-03T04:05:06.000000000Z");
  CHECK(read(*provider, "vault://secret/app?version=1#api_key") == "sk-vault-app");
  change({{"undelete", {2}}});
  CHECK(read(*provider, "vault://secret/app#api_key") == "second-key");
  change({{"destroy", {1}}});
  CHECK(failed(*provider, "vault://secret/app?version=1#api_key").message ==
        "in Vault, secret/app version 1 has been destroyed");

  const Failure unversioned = failed(*provider, "vault://kv1/app?version=1#token");
  CHECK(unversioned.why == Why::kInvalid);
}

TEST_CASE("vault: what is not there, and what may not be read", "[source][hashi]") {
  Setup s;
  const auto root = s.by_token();
  CHECK(failed(*root, "vault://secret/none#k").why == Why::kNotFound);
  CHECK(failed(*root, "vault://kv1/none#k").why == Why::kNotFound);
  const Failure api = failed(*root, "vault://secret/data/app#api_key");
  CHECK(api.why == Why::kNotFound);
  CHECK(api.hint.find("leave out") != std::string::npos);
  // Vault answers alike for mounts that are not there and that one may not see.
  const Failure mount = failed(*root, "vault://nosuch/app#k");
  CHECK(mount.why == Why::kDenied);
  CHECK(mount.message.find("preflight capability check returned 403") != std::string::npos);
  CHECK(mount.hint.find("no such mount") != std::string::npos);

  s.vault.control("policy", {{"name", "narrow"}, {"rules", {{"secret/data/app", {"read"}}}}});
  const std::string narrow = s.vault.control("token", {{"policies", {"narrow"}}})["token"];
  const auto provider = s.provider({}, {{"token", narrow}});
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
  const Failure denied = failed(*provider, "vault://secret/deep/er/one#v");
  CHECK(denied.why == Why::kDenied);
  CHECK(denied.hint ==
        R"(the policy needs: path "secret/data/deep/er/one" { capabilities = ["read"] })");
  CHECK(failed(*provider, "vault://kv1/app#token").why == Why::kDenied);
}

TEST_CASE("vault: Vault's own paths are refused, also those of a namespace in the path",
          "[source][hashi]") {
  Setup s;
  const auto provider = s.by_token();
  CHECK_FALSE(parse_hashi("vault://auth/token/lookup-self#id"));
  CHECK(provider->fetch("auth/token/lookup-self").error().why == Why::kInvalid);
  CHECK(s.vault.count("/v1/") == 0);
  // A Vault that resolves namespaces in paths says what it found there.
  for (const char* type : {"token", "ns_token", "system", "ns_system"}) {
    s.vault.control("mount", {{"path", "team-b/auth/token/"}, {"type", type}});
    const auto fresh = s.by_token();
    CHECK(fresh->fetch("team-b/auth/token/lookup-self").error().why == Why::kInvalid);
  }
  CHECK(s.vault.count("/v1/team-b") == 0);
}

TEST_CASE("vault: a mount that became another one is noticed", "[source][hashi]") {
  Setup s;
  const auto provider = s.by_token();
  CHECK(read(*provider, "vault://kv1/app#token") == "kv1-token");
  s.vault.control("mount", {{"path", "kv1/"}, {"type", "kv"}, {"version", "2"}});
  CHECK(read(*provider, "vault://kv1/app#token") == "kv1-token");
  const int before = s.vault.count("/v1/");
  CHECK(failed(*provider, "vault://kv1/none#token").why == Why::kNotFound);
  CHECK(failed(*provider, "vault://kv1/none#token").why == Why::kNotFound);
  CHECK(s.vault.count("/v1/") - before <= 5);
}

TEST_CASE("vault: every way to log in, and to be turned away", "[source][hashi]") {
  Setup s;
  SECTION("AppRole, with and without a secret id") {
    CHECK(read(*s.by_approle(), "vault://secret/app#api_key") == "sk-vault-app");
    const auto without = s.provider({{"auth", "approle"}, {"role_id", "role-nosecret"}}, {});
    CHECK(read(*without, "vault://secret/app#api_key") == "sk-vault-app");
    const auto about = without->test();
    REQUIRE(about);
    CHECK(about->account == "approle-nosecret");
    CHECK(about->detail == "Vault 1.16.2");
    const auto wrong = s.provider({{"auth", "approle"}, {"role_id", "role-agent"}},
                                  {{"secret_id", "00000000-1111-2222-3333-444444444444"}});
    const Failure denied = failed(*wrong, "vault://secret/app#api_key");
    CHECK(denied.why == Why::kDenied);
    CHECK(denied.message == "Vault refuses the login by approle: invalid role or secret ID");
  }
  SECTION("Kubernetes, whose token is read again for each login") {
    const TempFile file(std::string(kKubernetesJwt) + "\n");
    const auto provider =
        s.provider({{"auth", "kubernetes"}, {"role", "agent"}, {"token_file", file.path()}}, {});
    CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
    const std::string rotated = "eyJhbGciOiJSUzI1NiJ9.cm90YXRlZA.c2ln";
    s.vault.control("role", {{"method", "kubernetes"}, {"name", "agent"}, {"jwt", rotated}});
    s.vault.control("revoke", {{"logins", true}});
    CHECK(failed(*provider, "vault://secret/app#api_key").why == Why::kDenied);
    file.write(rotated);
    CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
    // What is no JWT does not leave this machine.
    file.write("root:x:0:0:root:/root:/bin/bash\n");
    s.vault.control("revoke", {{"logins", true}});
    const int before = s.vault.count("/login");
    const Failure odd = failed(*provider, "vault://secret/app#api_key");
    CHECK(odd.why == Why::kInvalid);
    CHECK(odd.message.find("root:x") == std::string::npos);
    CHECK(s.vault.count("/login") == before);
    std::filesystem::remove(file.path());
    CHECK(failed(*provider, "vault://secret/app#api_key").why == Why::kInvalid);
  }
  SECTION("JWT, out of a secret or a file") {
    const auto given = s.provider({{"auth", "jwt"}, {"role", "agent"}}, {{"jwt", kJwt}});
    CHECK(read(*given, "vault://secret/app#api_key") == "sk-vault-app");
    const TempFile file(kJwt);
    const auto filed =
        s.provider({{"auth", "jwt"}, {"role", "agent"}, {"token_file", file.path()}}, {});
    CHECK(read(*filed, "vault://secret/app#api_key") == "sk-vault-app");
    const auto wrong = s.provider({{"auth", "jwt"}, {"role", "agent"}}, {{"jwt", kKubernetesJwt}});
    CHECK(failed(*wrong, "vault://secret/app#api_key").why == Why::kDenied);
    const auto role = s.provider({{"auth", "jwt"}, {"role", "none"}}, {{"jwt", kJwt}});
    CHECK(failed(*role, "vault://secret/app#api_key").message ==
          R"(Vault refuses the login by jwt: role "none" could not be found)");
  }
  SECTION("under another mount") {
    const std::string secret_id = s.vault.control("secret_id", json::object())["secret_id"];
    const auto provider =
        s.provider({{"auth", "approle"}, {"auth_mount", "my-approle"}, {"role_id", "role-agent"}},
                   {{"secret_id", secret_id}});
    CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
    CHECK(s.vault.count("auth/my-approle/login") == 1);
  }
  SECTION("a second factor") {
    s.vault.control("role", {{"method", "jwt"}, {"name", "agent"}, {"mfa", true}});
    const auto provider = s.provider({{"auth", "jwt"}, {"role", "agent"}}, {{"jwt", kJwt}});
    const Failure mfa = failed(*provider, "vault://secret/app#api_key");
    CHECK(mfa.why == Why::kDenied);
    CHECK(mfa.message.find("second factor") != std::string::npos);
  }
}

TEST_CASE("vault: settings that do not belong together are refused", "[source][hashi]") {
  Setup s;
  const auto why = [&](Words settings, Words secrets) {
    const auto got = s.make(std::move(settings), std::move(secrets));
    return got ? std::string("made") : got.error().message;
  };
  CHECK(why({}, {}) == "auth=token needs a token or a wrapped_token");
  CHECK(why({{"auth", "ldap"}}, {}) == "auth is none of token, approle, kubernetes and jwt");
  CHECK(why({{"auth", "approle"}}, {}) == "auth=approle needs role_id");
  CHECK(why({{"auth", "kubernetes"}}, {}) == "auth=kubernetes needs a role");
  CHECK(why({{"auth", "jwt"}, {"role", "x"}}, {}) ==
        "auth=jwt needs jwt or token_file, and not both");
  CHECK(why({{"auth", "jwt"}, {"role", "x"}, {"token_file", "/x"}}, {{"jwt", kJwt}}) ==
        "auth=jwt needs jwt or token_file, and not both");
  CHECK(why({{"role", "x"}}, {{"token", "t"}}) == "auth=token does not take role");
  CHECK(why({{"auth", "jwt"}, {"role", "x"}, {"token_file", "x"}}, {}) ==
        "token_file is not an absolute path");
  CHECK(why({}, {{"token", "a\r\nb"}}).find("token is longer") == 0);
  CHECK(why({{"namespace", "a\r\nb"}}, {{"token", "t"}}).find("namespace") == 0);
  CHECK(why({{"plain_http", "maybe"}}, {{"token", "t"}}).find("plain_http") == 0);
  CHECK(why({{"url", "http://vault.example.com"}}, {{"token", "t"}}) ==
        "url must be an https:// URL");
  CHECK(why({{"auth", "approle"}, {"role_id", "r"}, {"auth_mount", "../sys"}}, {}) != "made");
  // What VAULT_TOKEN and VAULT_ROLE_ID may have brought along is left aside.
  CHECK(why({{"auth", "approle"}, {"role_id", "r"}}, {{"token", "t"}}) == "made");
  CHECK(why({{"role_id", "r"}}, {{"token", "t"}, {"secret_id", "s"}}) == "made");
}

TEST_CASE("vault: a wrapped secret id is unwrapped once, at pairing, and kept", "[source][hashi]") {
  Setup s;
  const std::string wrapped = s.vault.control("secret_id", {{"wrap", 300}})["wrapping_token"];
  const Words settings = {{"auth", "approle"}, {"role_id", "role-agent"}};
  const auto provider = s.provider(settings, {{"wrapped_secret_id", wrapped}});
  // Nothing but pairing opens it.
  CHECK(failed(*provider, "vault://secret/app#api_key").why == Why::kDenied);
  CHECK(s.vault.look("state")["unwrapped"] == 0);
  const auto about = provider->pair();
  INFO((about ? "" : about.error().message));
  REQUIRE(about);
  CHECK(about->account == "approle-agent");
  CHECK(s.keeps == 1);
  CHECK(s.kept.size() == 1);
  REQUIRE(s.kept.contains("secret_id"));
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
  // What was kept serves a provider that starts later.
  const auto later = s.provider(settings, {{"secret_id", shown(s.kept.at("secret_id"))}});
  CHECK(read(*later, "vault://secret/app#api_key") == "sk-vault-app");
  // Used up.
  const auto again = s.provider(settings, {{"wrapped_secret_id", wrapped}})->pair();
  REQUIRE_FALSE(again);
  CHECK(again.error().why == Why::kDenied);
  CHECK(again.error().hint.find("somebody else has unwrapped it") != std::string::npos);
  CHECK(again.error().message.find(wrapped) == std::string::npos);
}

TEST_CASE("vault: a wrapping token that was exchanged on the way is not opened",
          "[source][hashi][attack]") {
  Setup s;
  // The attacker has opened ours, and wraps a secret id of a role of his.
  const std::string his =
      s.vault.control("wrap", {{"data", {{"secret_id", "his-secret-id"}}}})["wrapping_token"];
  const auto provider =
      s.provider({{"auth", "approle"}, {"role_id", "role-agent"}}, {{"wrapped_secret_id", his}});
  const auto got = provider->pair();
  REQUIRE_FALSE(got);
  CHECK(got.error().why == Why::kDenied);
  CHECK(got.error().message.find("sys/wrapping/wrap") != std::string::npos);
  CHECK(s.vault.look("state")["unwrapped"] == 0);
  CHECK(s.keeps == 0);
  // A wrapped token is no wrapped secret id, and the other way round.
  const std::string token =
      s.vault.control("token", {{"policies", {"app"}}, {"wrap", 300}})["wrapping_token"];
  CHECK_FALSE(
      s.provider({{"auth", "approle"}, {"role_id", "role-agent"}}, {{"wrapped_secret_id", token}})
          ->pair());
  const std::string id = s.vault.control("secret_id", {{"wrap", 300}})["wrapping_token"];
  CHECK_FALSE(s.provider({}, {{"wrapped_token", id}})->pair());
  // Of another mount.
  const std::string other =
      s.vault.control("secret_id", {{"wrap", 300}, {"mount", "his-approle"}})["wrapping_token"];
  CHECK_FALSE(
      s.provider({{"auth", "approle"}, {"role_id", "role-agent"}}, {{"wrapped_secret_id", other}})
          ->pair());
  CHECK(s.vault.look("state")["unwrapped"] == 0);
  // The control: without the check of its path the first one would have been opened and taken.
  HttpRequest plain;
  plain.method = "POST";
  plain.url = s.vault.url() + "/v1/sys/wrapping/unwrap";
  plain.fields.append("X-Vault-Request: true\r\nX-Vault-Token: " + his + "\r\n");
  const auto opened = s.vault.http.send(plain);
  REQUIRE(opened);
  CHECK(shown(opened->body).find("his-secret-id") != std::string::npos);
}

TEST_CASE("vault: a wrapped token", "[source][hashi]") {
  Setup s;
  const std::string wrapped = s.vault.control(
      "token", {{"policies", {"default", "app"}}, {"ttl", 600}, {"wrap", 60}})["wrapping_token"];
  const auto provider = s.provider({}, {{"wrapped_token", wrapped}});
  REQUIRE(provider->pair());
  REQUIRE(s.kept.contains("token"));
  CHECK_FALSE(s.kept.contains("wrapped_token"));
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
  // One that has been lying around for too long.
  const std::string old =
      s.vault.control("token", {{"policies", {"app"}}, {"wrap", 60}})["wrapping_token"];
  s.pass_s(61);
  CHECK_FALSE(s.provider({}, {{"wrapped_token", old}})->pair());
  // A sealed Vault is noticed before it is used up.
  const std::string fresh =
      s.vault.control("token", {{"policies", {"default"}}, {"wrap", 60}})["wrapping_token"];
  s.vault.control("mode", {{"mode", "sealed"}});
  const auto early = s.provider({}, {{"wrapped_token", fresh}});
  CHECK(early->pair().error().why == Why::kLocked);
  s.vault.control("mode", {{"mode", "active"}});
  CHECK(early->pair());
}

TEST_CASE("vault: a login is renewed while it can be, and made anew when it cannot",
          "[source][hashi]") {
  Setup s;
  const auto provider = s.by_approle();
  const auto works = [&] {
    return read(*provider, "vault://secret/app#api_key") == "sk-vault-app";
  };
  CHECK(works());
  s.pass_s(700);
  CHECK(works());
  CHECK(s.vault.look("state")["renewals"] == 0);
  s.pass_s(110);  // two thirds of 1200
  CHECK(works());
  CHECK(s.vault.look("state")["renewals"] == 1);
  CHECK(s.logins() == 1);
  for (int i = 0; i < 4; ++i) {
    s.pass_s(810);
    CHECK(works());
  }
  CHECK(s.logins() == 2);  // 3600 s are the most
  s.pass_s(4000);          // nobody asked for an hour: it has ended
  CHECK(works());
  CHECK(s.logins() == 3);
}

TEST_CASE("vault: a token that was given is renewed too, to its end", "[source][hashi]") {
  Setup s;
  const std::string token = s.vault.control("token", {{"policies", {"default", "app"}},
                                                      {"ttl", 600},
                                                      {"max_ttl", 1500},
                                                      {"renewable", true}})["token"];
  const auto provider = s.provider({}, {{"token", token}});
  const auto works = [&] {
    return read(*provider, "vault://secret/app#api_key") == "sk-vault-app";
  };
  CHECK(works());
  s.pass_s(410);
  CHECK(works());
  CHECK(s.vault.look("state")["renewals"] == 1);
  s.pass_s(410);
  CHECK(works());
  s.pass_s(410);
  CHECK(works());  // this renewal gave what was left: 270 s
  const int renewals = s.vault.look("state")["renewals"].get<int>();
  s.pass_s(200);
  CHECK(works());
  CHECK(s.vault.look("state")["renewals"] == renewals);
  s.pass_s(100);
  const Failure ended = failed(*provider, "vault://secret/app#api_key");
  CHECK(ended.why == Why::kDenied);
  CHECK(ended.message.find("invalid token") != std::string::npos);
  const auto about = provider->test();
  REQUIRE_FALSE(about);
  CHECK(about.error().why == Why::kDenied);
  CHECK(about.error().hint.find("it has ended or was revoked") != std::string::npos);
}

TEST_CASE("vault: a token without the policy default works, and cannot be paired",
          "[source][hashi]") {
  Setup s;
  const std::string token = s.vault.control("token", {{"policies", {"app"}}})["token"];
  const auto provider = s.provider({}, {{"token", token}});
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
  CHECK(provider->pair().error().why == Why::kDenied);
}

TEST_CASE("vault: a login that was revoked is made again once, a denial is not",
          "[source][hashi]") {
  Setup s;
  const auto provider = s.by_approle();
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
  s.vault.control("revoke", {{"logins", true}});
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
  CHECK(s.logins() == 2);

  s.vault.control("policy", {{"name", "app"}, {"rules", {{"kv1/*", {"read"}}}}});
  CHECK(failed(*provider, "vault://secret/app#api_key").why == Why::kDenied);
  CHECK(s.logins() == 2);

  // An older Vault does not say what it denies for, and this one denies everything.
  s.vault.control("faults", {{"kind", "status"},
                             {"status", 403},
                             {"times", 100},
                             {"match", "/v1/"},
                             {"body", R"({"errors":["permission denied"]})"}});
  const int before = s.vault.count("/v1/");
  CHECK(failed(*provider, "vault://kv1/app#token").why == Why::kDenied);
  CHECK(s.vault.count("/v1/") - before <= 4);
}

TEST_CASE("vault: threads that need a login at the same time get one", "[source][hashi]") {
  Setup s;
  const auto provider = s.by_approle();
  const auto all = [&] {
    std::vector<std::thread> threads;
    std::atomic<int> good = 0;
    for (int i = 0; i < 12; ++i) {
      threads.emplace_back(
          [&] { good += read(*provider, "vault://secret/app#api_key") == "sk-vault-app" ? 1 : 0; });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    return good.load();
  };
  s.vault.control("faults",
                  {{"kind", "slow"}, {"seconds", 0.2}, {"match", "/login"}, {"times", 100}});
  CHECK(all() == 12);
  CHECK(s.logins() == 1);
  s.vault.control("revoke", {{"logins", true}});
  CHECK(all() == 12);
  CHECK(s.logins() == 2);
}

TEST_CASE("vault: dynamic secrets come with a lease, which is renewed, ends and is revoked",
          "[source][hashi]") {
  Setup s;
  const auto provider = s.by_approle();
  const auto got = provider->fetch("database/creds/app");
  REQUIRE(got);
  REQUIRE(got->lease);
  CHECK(got->lease->life_ms == 60'000);
  CHECK(got->keep_ms == 60'000);
  CHECK(got->lease->renewable);
  CHECK(value(got, "username").starts_with("v-app-"));
  CHECK(value(got, "password").starts_with("pw-"));

  s.pass_s(50);
  const auto renewed = provider->renew(*got->lease);
  REQUIRE(renewed);
  CHECK(renewed->id == got->lease->id);
  CHECK(renewed->life_ms == 60'000);
  s.pass_s(50);
  REQUIRE(provider->renew(*renewed));
  s.pass_s(50);
  const auto last = provider->renew(*renewed);
  REQUIRE(last);
  CHECK(last->life_ms == 30'000);  // 180 s are the most
  s.pass_s(31);
  const auto over = provider->renew(*last);
  REQUIRE_FALSE(over);
  CHECK(over.error().why == Why::kNotFound);

  const auto aws = provider->fetch("aws/creds/deploy");
  REQUIRE(aws);
  REQUIRE(aws->lease);
  CHECK_FALSE(aws->lease->renewable);
  CHECK(aws->fields.size() == 2);  // a null is no field
  CHECK(provider->renew(*aws->lease).error().why == Why::kNotFound);
  CHECK(provider->revoke(*aws->lease));
  CHECK(s.alive() == 0);
  // A provider that starts later takes care of leases of an earlier one.
  const auto next = provider->fetch("database/creds/app");
  REQUIRE(next);
  const auto later = s.by_token();
  CHECK(later->renew(*next->lease));
  CHECK(later->revoke(*next->lease));
  CHECK(later->renew(*next->lease).error().why == Why::kNotFound);

  const auto fixed = provider->fetch("database/static-creds/app");
  REQUIRE(fixed);
  CHECK_FALSE(fixed->lease);
  CHECK(fixed->keep_ms == 30'000);  // it is rotated then
  CHECK(failed(*provider, "vault://database/creds/none#username").why == Why::kInvalid);
  CHECK(failed(*provider, "vault://database/creds/app?version=1#username").why == Why::kInvalid);
}

TEST_CASE("vault: nothing but a fetch makes a credential", "[source][hashi]") {
  Setup s;
  const auto provider = s.by_approle();
  REQUIRE(provider->pair());
  REQUIRE(provider->test());
  CHECK(provider->list(""));
  CHECK_FALSE(provider->list("vault://database"));
  CHECK_FALSE(provider->list("vault://database/creds/app"));
  CHECK_FALSE(provider->list("vault://database/creds/"));
  CHECK_FALSE(provider->list("vault://aws/creds/deploy"));
  CHECK(s.leases() == 0);
  REQUIRE(provider->fetch("database/creds/app"));  // the control
  CHECK(s.leases() == 1);
}

TEST_CASE("vault: a lease is not promised for longer than the token that it hangs on",
          "[source][hashi]") {
  Setup s;
  const auto token = [&](int ttl) {
    return s.vault.control("token", {{"policies", {"default", "app"}}, {"ttl", ttl}})["token"]
        .get<std::string>();
  };
  const auto provider = s.provider({}, {{"token", token(40)}});
  const auto got = provider->fetch("database/creds/app");
  REQUIRE(got);
  REQUIRE(got->lease);
  CHECK(got->lease->life_ms == 40'000);
  s.pass_s(10);
  const auto renewed = provider->renew(*got->lease);
  REQUIRE(renewed);
  CHECK(renewed->life_ms == 30'000);
  // The control: Vault itself has promised more, and takes it back with the token.
  s.pass_s(31);
  CHECK(s.alive() == 0);
  // A login that replaces another one does not save the other one's leases.
  const auto second = s.by_approle();
  const auto before = second->fetch("database/creds/app");
  REQUIRE(before);
  s.vault.control("revoke", {{"logins", true}});
  CHECK(second->renew(*before->lease).error().why == Why::kNotFound);
  const auto anew = second->fetch("database/creds/app");
  REQUIRE(anew);
  CHECK(anew->lease->life_ms == 60'000);
}

TEST_CASE("vault: disconnecting gives back the tokens of logins, and no others",
          "[source][hashi]") {
  Setup s;
  const auto by_login = s.by_approle();
  CHECK(by_login->disconnect());  // nothing to give back, and no login for it
  CHECK(s.logins() == 0);
  REQUIRE(by_login->fetch("database/creds/app"));
  CHECK(by_login->disconnect());
  const json state = s.vault.look("state");
  for (const auto& token : state["tokens"]) {
    CHECK(token["alive"] == !token["login"].get<bool>());
  }
  CHECK(state["leases"][0]["alive"] == false);
  const auto given = s.by_token();
  CHECK(read(*given, "vault://secret/app#api_key") == "sk-vault-app");
  CHECK(given->disconnect());
  CHECK(s.vault.look("state")["tokens"][0]["alive"] == true);
}

TEST_CASE("vault: namespaces", "[source][hashi]") {
  Setup s;
  const auto provider = s.provider({{"namespace", "team-a/"}}, {{"token", "root-token-team-a"}});
  CHECK(provider->pair());
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app-team-a");
  CHECK(read(*provider, "vault://kv1/app#token") == "kv1-token-team-a");
  const auto lease = provider->fetch("database/creds/app");
  REQUIRE(lease);
  CHECK(provider->revoke(*lease->lease));
  const auto elsewhere = s.provider({{"namespace", "team-b"}}, {{"token", "root-token"}});
  CHECK(failed(*elsewhere, "vault://secret/app#api_key").why == Why::kNotFound);
  const auto outside = s.provider({}, {{"token", "root-token-team-a"}});
  CHECK(failed(*outside, "vault://secret/app#api_key").why == Why::kDenied);
}

TEST_CASE("vault: sealed, uninitialised, standby and moved are told apart", "[source][hashi]") {
  Setup s;
  const auto provider = s.by_token();
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
  const auto mode = [&](const char* name) { s.vault.control("mode", {{"mode", name}}); };
  mode("sealed");
  CHECK(failed(*provider, "vault://secret/app#api_key").message == "Vault is sealed");
  CHECK(failed(*provider, "vault://secret/app#api_key").why == Why::kLocked);
  CHECK(provider->test().error().why == Why::kLocked);
  mode("uninitialised");
  CHECK(failed(*provider, "vault://secret/app#api_key").message == "Vault is not initialised");
  CHECK(provider->test().error().message == "Vault is not initialised");
  mode("dr_secondary");
  CHECK(provider->test().error().why == Why::kUnreachable);
  for (const char* standby : {"standby", "perf_standby"}) {
    mode(standby);
    CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
    const auto about = provider->test();
    REQUIRE(about);
    CHECK(about->detail.find("standby") != std::string::npos);
  }
  mode("redirect");
  CHECK(failed(*provider, "vault://secret/app#api_key").why == Why::kRefused);
  mode("active");
  CHECK(provider->test());
}

TEST_CASE("vault: answers that are none", "[source][hashi]") {
  Setup s;
  const auto provider = s.by_token();
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");
  const auto with = [&](json fault) {
    fault["match"] = "secret/data";
    s.vault.control("faults", fault);
    return failed(*provider, "vault://secret/app#api_key");
  };
  CHECK(with({{"kind", "html"}}).why == Why::kMalformed);
  CHECK(with({{"kind", "html"}, {"status", 403}}).why == Why::kMalformed);
  CHECK(with({{"kind", "html"}, {"status", 404}}).why == Why::kMalformed);
  CHECK(with({{"kind", "html"}, {"status", 502}}).why == Why::kUnreachable);
  CHECK(with({{"kind", "malformed"}}).why == Why::kMalformed);
  CHECK(with({{"kind", "huge"}}).why == Why::kMalformed);
  CHECK(with({{"kind", "close"}}).why == Why::kMalformed);
  CHECK(with({{"kind", "empty"}}).why == Why::kMalformed);
  CHECK(with({{"kind", "body"}, {"body", R"({"data":null})"}}).why == Why::kMalformed);
  CHECK(with({{"kind", "body"}, {"body", R"({"data":{"data":[]}})"}}).why == Why::kMalformed);
  CHECK(with({{"kind", "body"}, {"body", R"({"data":{"data":{"a":"1","a":"2"}}})"}}).why ==
        Why::kMalformed);
  CHECK(with({{"kind", "status"}, {"status", 412}, {"body", R"({"errors":["x"]})"}}).why ==
        Why::kBusy);
  const Failure busy = with({{"kind", "status"}, {"status", 429}, {"retry_after", 7}});
  CHECK(busy.why == Why::kBusy);
  CHECK(busy.retry_ms == 7000);
  const Failure broken = with(
      {{"kind", "status"}, {"status", 500}, {"body", R"({"errors":["1 error\n\t* storage"]})"}});
  CHECK(broken.why == Why::kUnreachable);
  CHECK(broken.message == "Vault answered with HTTP 500: 1 error * storage");
  const Failure quoting = with({{"kind", "status"},
                                {"status", 500},
                                {"body", R"({"errors":["no such token: root-token"]})"}});
  CHECK(quoting.message == "Vault answered with HTTP 500");
  const Failure down =
      with({{"kind", "status"}, {"status", 503}, {"body", R"({"errors":["busy"]})"}});
  CHECK(down.why == Why::kUnreachable);
  CHECK(read(*provider, "vault://secret/app#api_key") == "sk-vault-app");

  // A mount that is not above the path, and a login's token that would break a request's head.
  s.vault.control("faults", {{"kind", "body"},
                             {"match", "ui/mounts"},
                             {"body", R"({"data":{"path":"other/","type":"kv"}})"}});
  CHECK(failed(*provider, "vault://secret/deep/er/one#v").why == Why::kMalformed);
  const auto login = s.by_approle();
  s.vault.control("faults", {{"kind", "body"},
                             {"match", "/login"},
                             {"body", R"({"auth":{"client_token":"a\r\nX-Vault-Namespace: x"}})"}});
  CHECK(failed(*login, "vault://secret/app#api_key").why == Why::kMalformed);
  for (const char* part : {"html", "malformed", "huge", "close", "empty"}) {
    s.vault.control("faults", {{"kind", part}, {"match", "/login"}});
    CHECK(failed(*login, "vault://secret/app#api_key").why == Why::kMalformed);
  }
  CHECK(read(*login, "vault://secret/app#api_key") == "sk-vault-app");
}

TEST_CASE("vault: mounts, folders, secrets and the names of their fields can be listed",
          "[source][hashi]") {
  Setup s;
  const auto provider = s.by_approle();
  using Names = std::vector<std::string>;
  CHECK(references(provider->list("")) ==
        Names{"vault://kv1/", "vault://secret/", "vault://team/nested/kv/"});
  CHECK(references(provider->list("vault://secret")) ==
        Names{"vault://secret/app", "vault://secret/deep/"});
  CHECK(references(provider->list("vault://secret/")) ==
        Names{"vault://secret/app", "vault://secret/deep/"});
  CHECK(references(provider->list("vault://secret/deep/")) == Names{"vault://secret/deep/er/"});
  CHECK(references(provider->list("vault://secret/deep")) == Names{"vault://secret/deep/er/"});
  CHECK(references(provider->list("vault://kv1/")) == Names{"vault://kv1/app"});
  CHECK(references(provider->list("vault://secret/app")) == Names{"vault://secret/app#api_key",
                                                                  "vault://secret/app#nested",
                                                                  "vault://secret/app#port"});
  CHECK(provider->list("vault://secret/none/").error().why == Why::kNotFound);
  s.vault.control("kv",
                  {{"mount", "secret/"}, {"path", "odd name/100% #1"}, {"data", {{"a b", "x"}}}});
  const Names odd = references(provider->list("vault://secret/odd%20name/"));
  REQUIRE(odd == Names{"vault://secret/odd%20name/100%25%20%231"});
  const Names fields = references(provider->list(odd[0]));
  REQUIRE(fields.size() == 1);
  CHECK(read(*provider, fields[0]) == "x");
  s.vault.control("policy", {{"name", "app"}, {"rules", {{"secret/data/*", {"read"}}}}});
  CHECK(provider->list("vault://secret/").error().hint ==
        R"(the policy needs: path "secret/metadata/" { capabilities = ["list"] })");
}

// With VAULT_TEST_ADDR (http://127.0.0.1:...) and VAULT_TEST_TOKEN of a development server:
// `vault server -dev`, `bao server -dev`.
TEST_CASE("vault: a real one agrees", "[source][hashi][real]") {
  const char* const address = std::getenv("VAULT_TEST_ADDR");
  const char* const token = std::getenv("VAULT_TEST_TOKEN");
  if (address == nullptr || token == nullptr) {
    return;
  }
  init_secret_arena();
  SocketHttp http;
  HttpRequest put;
  put.method = "POST";
  put.url = std::string(address) + "/v1/secret/data/av-test";
  put.fields.append(std::string("X-Vault-Token: ") + token + "\r\n");
  put.body.append(R"({"data":{"k":"v","n":1}})");
  const auto done = http.send(put);
  REQUIRE(done);
  REQUIRE(done->status == 200);
  MovedClock clock;
  Ports ports;
  ports.http = &http;
  ports.clock = &clock;
  vault::ExternalStore store;
  store.settings.emplace("url", address);
  vault::StoreSecrets secrets;
  secrets.emplace("token", secret(token));
  const auto provider = kHashi.make(store, std::move(secrets), ports);
  REQUIRE(provider);
  CHECK((*provider)->pair());
  CHECK(read(**provider, "vault://secret/av-test#k") == "v");
  CHECK(read(**provider, "vault://secret/av-test#n") == "1");
  CHECK(failed(**provider, "vault://secret/av-none#k").why == Why::kNotFound);
  CHECK(failed(**provider, "vault://av-none/x#k").why == Why::kDenied);
  CHECK_FALSE(references((*provider)->list("vault://secret/")).empty());
}
