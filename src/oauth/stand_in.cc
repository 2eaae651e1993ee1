#include "oauth/stand_in.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/ascii.h"
#include "core/encoding.h"
#include "oauth/answer.h"
#include "oauth/jwt.h"

namespace av::oauth {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kYearS = std::int64_t{365} * 24 * 3600;
constexpr std::string_view kMark = "av_ph_";
constexpr std::size_t kMarkRandom = 32;
constexpr std::size_t kMostText = 1024;
constexpr int kMostDepth = 4;

// What tokens of their kind begin with, the same for everybody: programs look for it.
constexpr auto kPrefixes = std::to_array<std::string_view>(
    {"gho_",          "ghu_",          "ghr_",       "ghp_", "ghs_",  "glpat-",
     "sk-ant-oat01-", "sk-ant-ort01-", "ya29.",      "1//",  "xoxb-", "xoxp-",
     "xoxe-",         "xoxe.xoxb-",    "xoxe.xoxp-", "ntn_", "nrt_",  "secret_",
     "sl.u.",         "sl.",           "lin_oauth_", "figu_"});

// Members of answers that are no secret (RFC 6749 section 5.1 and what providers add).
constexpr auto kHarmless = std::to_array<std::string_view>({"token_type",
                                                            "expires_in",
                                                            "expires_at",
                                                            "expires",
                                                            "created_at",
                                                            "issued_at",
                                                            "ext_expires_in",
                                                            "refresh_token_expires_in",
                                                            "refresh_expires_in",
                                                            "x_refresh_token_expires_in",
                                                            "scope",
                                                            "scopes",
                                                            "issued_token_type",
                                                            "state",
                                                            "ok",
                                                            "app_id",
                                                            "bot_user_id",
                                                            "is_enterprise_install",
                                                            "id",
                                                            "uuid",
                                                            "name",
                                                            "gid",
                                                            "email",
                                                            "email_address",
                                                            "type",
                                                            "object",
                                                            "avatar_url",
                                                            "workspace_id",
                                                            "workspace_name",
                                                            "workspace_icon",
                                                            "bot_id",
                                                            "duplicated_template_id",
                                                            "account_id",
                                                            "uid",
                                                            "team_id",
                                                            "user_id",
                                                            "user_id_string",
                                                            "instance_url",
                                                            "api_version",
                                                            "sfdc_community_url",
                                                            "sfdc_community_id",
                                                            "hub_id",
                                                            "username",
                                                            "user_name",
                                                            "api_domain",
                                                            "domain",
                                                            "tenant_id",
                                                            "realm_id",
                                                            "interval",
                                                            "account_uuid",
                                                            "organization_uuid",
                                                            "organization_id",
                                                            "display_name",
                                                            "login",
                                                            "plan",
                                                            "subscription_type",
                                                            "api_url"});
// Members that hold others.
constexpr auto kHolders =
    std::to_array<std::string_view>({"team", "enterprise", "authed_user", "account", "organization",
                                     "owner", "user", "person", "bot", "data"});
constexpr auto kLifetimes =
    std::to_array<std::string_view>({"expires_in", "ext_expires_in", "refresh_token_expires_in",
                                     "refresh_expires_in", "x_refresh_token_expires_in"});
constexpr auto kRefusal =
    std::to_array<std::string_view>({"error", "error_description", "error_uri", "interval", "ok"});

template <typename List>
bool among(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// In a claim, or in a member that is otherwise harmless.
bool looks_like_token(std::string_view text) {
  return text.size() > kMostText ||
         (text.starts_with("eyJ") && text.find('.') != std::string_view::npos);
}

// Of claims: without what belongs to the real tokens.
Json without_tokens(const Json& node, int depth) {
  if (node.is_string()) {
    return looks_like_token(node.get_ref<const std::string&>()) ? Json() : node;
  }
  if (!node.is_structured() || depth == 0) {
    return node.is_structured() ? Json() : node;
  }
  Json out = node.is_object() ? Json::object() : Json::array();
  for (const auto& [name, value] : node.items()) {
    if (node.is_object()) {
      out[name] = without_tokens(value, depth - 1);
    } else {
      out.push_back(without_tokens(value, depth - 1));
    }
  }
  return out;
}

std::string unsigned_jwt(Json claims, std::string_view placeholder, std::int64_t now_ms) {
  // Hashes of the tokens that it came with (OpenID Connect Core section 3.1.3.6), which it does not
  // come with any more.
  for (const char* const hash : {"at_hash", "c_hash", "rt_hash"}) {
    claims.erase(hash);
  }
  claims["exp"] = now_ms / 1000 + kYearS;
  claims["jti"] = placeholder;
  const auto part = [](std::string_view text) {
    return encoding::base64(text, encoding::Base64::kUrl);
  };
  // What a placeholder is made of is base64url, and so the proxy finds it where a signature would
  // be.
  return part(R"({"alg":"RS256","typ":"JWT","kid":"agent-vault"})") + "." +
         part(claims.dump(-1, ' ', false, Json::error_handler_t::replace)) + "." +
         std::string(placeholder);
}

bool holds(const std::string& text, const Secret& token) {
  return !token.empty() && token.reveal([&](std::string_view bytes) {
    return text.find(bytes) != std::string::npos;
  });
}

bool holds_any(const std::string& text, const Tokens& tokens) {
  return holds(text, tokens.access_token) || holds(text, tokens.refresh_token) ||
         holds(text, tokens.id_token);
}

struct Shaping {
  const StandIns& stand_ins;
  const Tokens& tokens;
  std::int64_t now_ms;
  bool repeats = false;  // a member that is otherwise harmless has a token in it
};

Json harmless_value(const JsonView& value, std::string_view name) {
  switch (value.kind()) {
    case JsonView::Kind::kBool:
      return *value.boolean();
    case JsonView::Kind::kNumber: {
      Json number = Json::parse(value.source(), nullptr, false);
      return number.is_discarded() ? Json() : number;  // beyond what a double holds
    }
    case JsonView::Kind::kString: {
      const std::string text = value.text();
      return looks_like_token(text) ? Json() : Json(text);
    }
    case JsonView::Kind::kArray:
      break;
    case JsonView::Kind::kObject:
    case JsonView::Kind::kNull:
      return {};
  }
  Json out = Json::array();
  for (const JsonView& one :
       name == "scope" || name == "scopes" ? value.children() : std::vector<JsonView>()) {
    if (one.is(JsonView::Kind::kString)) {
      out.push_back(one.text());
    }
  }
  return out;
}

// As it is before it is escaped for JSON or a form, behind which no token would be recognised.
bool repeats_token(const Json& value, const Tokens& tokens) {
  if (value.is_string()) {
    return holds_any(value.get_ref<const std::string&>(), tokens);
  }
  return value.is_array() && std::any_of(value.begin(), value.end(), [&](const Json& one) {
           return repeats_token(one, tokens);
         });
}

// The tokens are members of `object`, or of its authed_user (Slack).
Json shaped(const JsonView& object, Shaping& shaping, bool has_tokens, int depth) {
  Json out = Json::object();
  for (const JsonView& member : object.children()) {
    const std::string name = member.name();
    const std::string* const placeholder = name == "access_token"    ? &shaping.stand_ins.access
                                           : name == "refresh_token" ? &shaping.stand_ins.refresh
                                           : name == "id_token"      ? &shaping.stand_ins.id
                                                                     : nullptr;
    if (placeholder != nullptr) {
      const auto token = member.secret();
      if (has_tokens && token && !token->empty()) {
        out[name] = stand_in_of(*token, *placeholder, shaping.now_ms);
      }
    } else if (among(kLifetimes, name)) {
      out[name] = member.is(JsonView::Kind::kString) ? Json(std::to_string(kYearS)) : Json(kYearS);
    } else if (name == "expires_at" || name == "expires") {
      continue;  // when the real one ends
    } else if (among(kHarmless, name)) {
      Json& value = out[name] = harmless_value(member, name);
      shaping.repeats = shaping.repeats || repeats_token(value, shaping.tokens);
    } else if (depth > 0 && among(kHolders, name) && member.is(JsonView::Kind::kObject)) {
      const bool holds = depth == kMostDepth && name == "authed_user" && !has_tokens;
      out[name] = shaped(member, shaping, holds, depth - 1);
    }
  }
  return out;
}

bool has_access_token(const JsonView& object) {
  const auto found = object.find("access_token");
  return found && found->is(JsonView::Kind::kString) && !found->secret()->empty();
}

std::string form_of(const Json& object) {
  std::string out;
  for (const auto& [name, value] : object.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (!value.is_null() && !value.is_structured()) {
      out += (out.empty() ? "" : "&") + encoding::percent(name) + "=" + encoding::percent(text);
    }
  }
  return out;
}

bool is_form(const HttpAnswer& answer) {
  const std::string_view type = answer.content_type;
  return ascii::lower(ascii::trim(type.substr(0, type.find(';')))) ==
         "application/x-www-form-urlencoded";
}

ProgramAnswer in_form_of(const HttpAnswer& answer, const Json& object) {
  if (is_form(answer)) {
    return {"application/x-www-form-urlencoded; charset=utf-8", form_of(object)};
  }
  return {"application/json; charset=utf-8",
          object.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

}  // namespace

bool is_stand_in(std::string_view text) {
  for (std::size_t at = text.find(kMark); at != std::string_view::npos;
       at = text.find(kMark, at + 1)) {
    const std::string_view random = text.substr(at + kMark.size(), kMarkRandom);
    if (random.size() == kMarkRandom && std::all_of(random.begin(), random.end(), [](char c) {
          return ascii::is_alpha(c) || ascii::is_digit(c);
        })) {
      return true;
    }
  }
  return false;
}

std::string stand_in_of(const Secret& token, std::string_view placeholder, std::int64_t now_ms) {
  std::string out;
  peek_claims(token, [&](const JsonView& claims) {
    const Json parsed = Json::parse(claims.source(), nullptr, false);
    if (parsed.is_object()) {
      out = unsigned_jwt(without_tokens(parsed, kMostDepth), placeholder, now_ms);
    }
  });
  if (out.empty()) {
    // The longest that fits: "xoxe.xoxb-" before "xoxe".
    token.reveal([&](std::string_view bytes) {
      for (const std::string_view prefix : kPrefixes) {
        if (bytes.starts_with(prefix) && prefix.size() > out.size()) {
          out = prefix;
        }
      }
    });
    out += placeholder;
  }
  return out;
}

Expected<ProgramAnswer> program_answer(const HttpAnswer& answer, const Tokens& tokens,
                                       const StandIns& stand_ins, std::int64_t now_ms) {
  ProgramAnswer out;
  Shaping shaping{stand_ins, tokens, now_ms};
  read_answer(answer, [&](const std::optional<JsonView>& object) {
    if (object) {
      out = in_form_of(answer, shaped(*object, shaping, has_access_token(*object), kMostDepth));
    }
  });
  // Every member was chosen or made here; a provider may still repeat a token in one.
  const bool clean = !out.body.empty() && !shaping.repeats && !holds_any(out.body, tokens);
  if (!clean || out.body.find(stand_ins.access) == std::string::npos) {
    return make_error(ErrorCode::kInvalid, "the provider's answer repeats a token");
  }
  return out;
}

ProgramAnswer program_refusal(const HttpAnswer& answer, const TokenFailure& failure) {
  Json out = Json::object();
  read_answer(answer, [&](const std::optional<JsonView>& object) {
    for (const JsonView& member : object ? object->children() : std::vector<JsonView>()) {
      const std::string name = member.name();
      if (!among(kRefusal, name)) {
        continue;
      }
      if (member.is(JsonView::Kind::kString)) {
        const std::string text = member.text();
        out[name] = name == "error" ? code_word(text) : bounded(text);
      } else if (!member.is(JsonView::Kind::kObject) && !member.is(JsonView::Kind::kArray)) {
        out[name] = harmless_value(member, name);
      }
    }
  });
  if (!out.contains("error") || !out["error"].is_string() ||
      out["error"].get_ref<const std::string&>().empty()) {
    out["error"] = failure.code.empty() ? "server_error" : failure.code;
    out["error_description"] = failure.message;
  }
  return in_form_of(answer, out);
}

std::string refreshed_answer(const std::string& access, const std::string& refresh,
                             const std::vector<std::string>& scopes) {
  std::string scope;
  for (const std::string& one : scopes) {
    scope += (scope.empty() ? "" : " ") + one;
  }
  Json out = {{"access_token", access},
              {"refresh_token", refresh},
              {"token_type", "Bearer"},
              {"expires_in", kYearS}};
  if (!scope.empty()) {
    out["scope"] = scope;
  }
  return out.dump();
}

std::string refusal_json(std::string_view code, std::string_view words) {
  const Json out = {{"error", code}, {"error_description", words}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace av::oauth
