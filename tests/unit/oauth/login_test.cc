#include "oauth/login.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "core/encoding.h"
#include "unit/oauth/fake_port.h"

using namespace av;
using namespace av::test;
using oauth::LoginGrant;
using oauth::read_login;

namespace {

vault::RequestIdentity at(const std::string& host, const std::string& target) {
  vault::RequestIdentity out;
  out.method = "POST";
  out.authority = {host, 443};
  auto path = vault::canonical_target(target);
  REQUIRE(path);
  out.target = std::move(*path);
  return out;
}

bool is_login(const std::string& host, const std::string& target) {
  return oauth::find_login_endpoint(at(host, target)) != nullptr;
}

oauth::LoginText form(std::string_view body) {
  oauth::LoginText out;
  out.content_type = "application/x-www-form-urlencoded";
  out.body = body;
  return out;
}

ErrorCode refusal(const oauth::LoginText& text) {
  const auto read = read_login(text);
  REQUIRE_FALSE(read);
  return read.error().code;
}

}  // namespace

TEST_CASE("login: every token endpoint of the catalogue is known", "[oauth][login]") {
  for (const oauth::Provider& provider : oauth::providers()) {
    const auto* const found = oauth::find_login_endpoint(provider.client.token_url);
    INFO(provider.id);
    REQUIRE(found != nullptr);
    CHECK(found->provider == &provider);
  }
  CHECK(oauth::find_login_endpoint("https://auth.openai.com/oauth/token")->program == "codex");
  CHECK(oauth::find_login_endpoint("https://console.anthropic.com/v1/oauth/token")->program ==
        "claude");
  CHECK(oauth::find_login_endpoint("https://idp.test/token") == nullptr);
  CHECK(oauth::find_login_endpoint("http://github.com/login/oauth/access_token") == nullptr);
}

TEST_CASE("login: the other addresses of a provider are the same provider's", "[oauth][login]") {
  const auto* const tenant =
      oauth::find_login_endpoint(at("login.microsoftonline.com", "/1234-abcd/oauth2/v2.0/token"));
  REQUIRE(tenant != nullptr);
  CHECK(tenant->provider->id == "microsoft");
  CHECK(tenant->url.empty());
  CHECK(is_login("www.googleapis.com", "/oauth2/v4/token"));
  CHECK(is_login("discord.com", "/api/v10/oauth2/token"));
  // One segment, not several and not none.
  CHECK_FALSE(is_login("discord.com", "/api/v10/x/oauth2/token"));
  CHECK_FALSE(is_login("login.microsoftonline.com", "/oauth2/v2.0/tokens"));
}

TEST_CASE("login: no spelling of its path hides a login", "[oauth][login]") {
  for (const char* const target :
       {"/login/oauth/access_token", "/login/oauth/./access_token",
        "/login/x/../oauth/access_token", "/login//oauth///access_token",
        "/Login/OAuth/Access_Token", "/login/oauth/access_token/", "/login/oauth/access%5Ftoken",
        "/login/oauth/access_token?x=1", "/login;v=1/oauth/access_token",
        "/login%2foauth%2faccess_token", "/login/oauth/access_token%3Fx"}) {
    INFO(target);
    CHECK(is_login("github.com", target));
  }
  // The control: what is none is none.
  for (const char* const target :
       {"/login/oauth/authorize", "/login/device/code", "/login/oauth/access_token/more", "/"}) {
    INFO(target);
    CHECK_FALSE(is_login("github.com", target));
  }
  auto elsewhere = at("github.com", "/login/oauth/access_token");
  elsewhere.authority.port = 8443;
  CHECK(oauth::find_login_endpoint(elsewhere) == nullptr);
}

TEST_CASE("login: a code, a device code, a refresh token", "[oauth][login]") {
  auto code = read_login(
      form("grant_type=authorization_code&code=c1&client_id=me&redirect_uri=http%3A%2F%2Fx%2F"));
  REQUIRE(code);
  CHECK(code->grant == LoginGrant::kCode);
  CHECK(code->client.client_id == "me");
  CHECK(code->client.auth == vault::ClientAuth::kNone);
  CHECK(code->shown.find("redirect_uri=http://x/") != std::string::npos);
  CHECK(code->shown.find("c1") == std::string::npos);

  auto device =
      read_login(form("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_"
                      "code=d&client_id=m"));
  REQUIRE(device);
  CHECK(device->grant == LoginGrant::kDevice);

  auto refresh = read_login(form("grant_type=refresh_token&refresh_token=real&client_id=m"));
  REQUIRE(refresh);
  CHECK(refresh->stand_in.empty());
  CHECK(shown(refresh->refresh_token) == "real");

  auto stand_in = read_login(
      form("grant_type=refresh_token&refresh_token=ghr_av_ph_abcdefghijklmnopqrstuvwxyz012345"));
  REQUIRE(stand_in);
  CHECK(stand_in->stand_in == "ghr_av_ph_abcdefghijklmnopqrstuvwxyz012345");
  CHECK(stand_in->refresh_token.empty());
}

TEST_CASE("login: the same code is the same login, whatever stands around it", "[oauth][login]") {
  const auto mark = [](std::string_view body) { return read_login(form(body))->mark; };
  const std::string one = mark("grant_type=authorization_code&code=c1&client_id=a");
  CHECK(one == mark("client_id=b&code=c1&grant_type=authorization_code&x=y"));
  CHECK(one == mark("code=%631&client_id=a"));
  CHECK(one != mark("grant_type=authorization_code&code=c2&client_id=a"));
  // A device code of the same letters is another thing.
  CHECK(one != mark("grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=c1"));
  oauth::LoginText json;
  json.content_type = "application/json; charset=utf-8";
  json.body = R"({"grant_type":"authorization_code","code":"c1","state":"s"})";
  auto read = read_login(json);
  REQUIRE(read);
  CHECK(read->mark == one);
  CHECK(read->client.json_body);
  // In the URL, as some clients of GitHub do.
  oauth::LoginText query;
  query.query = "code=c1&client_id=a";
  CHECK(read_login(query)->mark == one);
}

TEST_CASE("login: how the program shows who it is, is kept for refreshing", "[oauth][login]") {
  auto post = read_login(form("code=c&client_id=me&client_secret=s%26cret&resource=https://r/"));
  REQUIRE(post);
  CHECK(post->client.auth == vault::ClientAuth::kPost);
  CHECK(shown(post->client_secret) == "s&cret");
  CHECK(post->client.token_params == vault::OauthParams{{"resource", "https://r/"}});
  CHECK(post->shown.find("cret") == std::string::npos);

  for (const auto& [pair, id, value] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"a%3Ab:p%2Bq", "a:b", "p+q"}, {"me:raw+secret/=", "me", "raw+secret/="}}) {
    auto text = form("code=c");
    const std::string field = "Basic " + encoding::base64(pair);
    text.authorization = field;
    auto basic = read_login(text);
    REQUIRE(basic);
    CHECK(basic->client.auth == vault::ClientAuth::kBasic);
    CHECK(basic->client.client_id == id);
    CHECK(shown(basic->client_secret) == value);
  }
}

TEST_CASE("login: what could be read in two ways is not read", "[oauth][login]") {
  CHECK(refusal(form("grant_type=authorization_code&grant_type=refresh_token&code=c")) ==
        ErrorCode::kInvalid);
  CHECK(refusal(form("code=a&code=b")) == ErrorCode::kInvalid);
  CHECK(refusal(form("code=%zz")) == ErrorCode::kInvalid);
  auto both = form("code=a");
  both.query = "code=b";
  CHECK(refusal(both) == ErrorCode::kInvalid);
  auto parts = form("--x\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\nc\r\n--x--");
  parts.content_type = "multipart/form-data; boundary=x";
  CHECK(refusal(parts) == ErrorCode::kInvalid);
  oauth::LoginText twice;
  twice.content_type = "application/json";
  twice.body = R"({"code":"a","code":"b"})";
  CHECK(refusal(twice) == ErrorCode::kInvalid);
  auto mistaken = form("code=a");
  mistaken.content_type = "text/plain";
  CHECK(refusal(mistaken) == ErrorCode::kInvalid);
}

TEST_CASE("login: another grant is none", "[oauth][login]") {
  for (const char* const body :
       {"grant_type=client_credentials&client_id=a&client_secret=b",
        "grant_type=password&username=a&password=b", "grant_type=Authorization_Code&code=c",
        "grant_type=&code=c", "grant_type=authorization_code&code=", "client_id=a", "",
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=t"}) {
    INFO(body);
    CHECK(refusal(form(body)) == ErrorCode::kUnsupported);
  }
}
