#include "api/schema.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>

namespace av::api {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Expected<Json> whole() {
    AV_TRY(Json schema, alternatives());
    return at_ == text_.size() ? Expected<Json>(std::move(schema)) : bad();
  }

 private:
  [[nodiscard]] Error bad() const {
    return make_error(ErrorCode::kInvalid,
                      "no schema: \"" + std::string(text_) + "\" at " + std::to_string(at_));
  }
  void skip() {
    while (at_ < text_.size() && text_[at_] == ' ') {
      ++at_;
    }
  }
  bool take(std::string_view what) {
    skip();
    if (text_.substr(at_, what.size()) != what) {
      return false;
    }
    at_ += what.size();
    skip();
    return true;
  }
  std::string_view word() {
    skip();
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) {
      ++at_;
    }
    const std::string_view out = text_.substr(begin, at_ - begin);
    skip();
    return out;
  }

  Expected<Json> alternatives() {
    Json all = Json::array();
    do {
      AV_TRY(Json next, one());
      all.push_back(std::move(next));
    } while (take("|"));
    if (all.size() == 1) {
      return all.front();
    }
    if (std::all_of(all.begin(), all.end(),
                    [](const Json& item) { return item.contains("const"); })) {
      Json words = Json::array();
      for (const Json& item : all) {
        words.push_back(item["const"]);
      }
      return Json{{"type", "string"}, {"enum", words}};
    }
    return Json{{"anyOf", all}};
  }

  Expected<Json> one() {
    if (take("[")) {
      AV_TRY(Json item, alternatives());
      return take("]") ? Expected<Json>(Json{{"type", "array"}, {"items", item}}) : bad();
    }
    if (take("{")) {
      return object();
    }
    if (take("'")) {
      const std::size_t end = text_.find('\'', at_);
      if (end == std::string_view::npos) {
        return bad();
      }
      Json out = {{"const", std::string(text_.substr(at_, end - at_))}};
      at_ = end + 1;
      skip();
      return out;
    }
    const std::string name(word());
    if (name == "string" || name == "integer" || name == "number" || name == "boolean" ||
        name == "null") {
      return Json{{"type", name}};
    }
    if (name == "time") {
      return Json{{"type", "string"}, {"format", "date-time"}};
    }
    if (name == "any") {
      return Json::object();
    }
    if (name.empty() || std::isupper(static_cast<unsigned char>(name.front())) == 0) {
      return bad();
    }
    return Json{{"$ref", "#/components/schemas/" + name}};
  }

  Expected<Json> object() {
    Json out = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
    if (take("}")) {
      return out;
    }
    if (take("*:")) {
      AV_TRY(Json item, alternatives());
      out["additionalProperties"] = item;
      return take("}") ? Expected<Json>(out) : bad();
    }
    out["additionalProperties"] = false;
    do {
      if (take("...")) {
        out["additionalProperties"] = true;
        break;
      }
      const std::string name(word());
      const bool may_be_missing = take("?");
      if (name.empty() || !take(":")) {
        return bad();
      }
      AV_TRY(Json item, alternatives());
      out["properties"][name] = item;
      if (!may_be_missing) {
        out["required"].push_back(name);
      }
    } while (take(","));
    return take("}") ? Expected<Json>(out) : bad();
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool has_type(const std::string& type, const Json& value) {
  return (type == "string" && value.is_string()) || (type == "null" && value.is_null()) ||
         (type == "integer" && value.is_number_integer()) ||
         (type == "number" && value.is_number()) || (type == "boolean" && value.is_boolean()) ||
         (type == "array" && value.is_array()) || (type == "object" && value.is_object());
}

std::string object_mismatch(const Json& schema, const Json& value, const std::string& where);

std::string what_differs(const Json& schema, const Json& value, const std::string& where) {
  if (schema.contains("$ref")) {
    const auto path = schema["$ref"].get<std::string>();
    const std::string name = path.substr(path.rfind('/') + 1);
    return schema_components().contains(name)
               ? what_differs(schema_components()[name], value, where)
               : where + ": no component " + name;
  }
  if (schema.contains("const")) {
    return schema["const"] == value ? "" : where + ": not " + schema["const"].dump();
  }
  if (schema.contains("enum")) {
    const Json& words = schema["enum"];
    return std::find(words.begin(), words.end(), value) != words.end() ? ""
                                                                       : where + ": no such word";
  }
  if (schema.contains("anyOf")) {
    for (const Json& one : schema["anyOf"]) {
      if (what_differs(one, value, where).empty()) {
        return {};
      }
    }
    return where + ": none of the alternatives";
  }
  if (!schema.contains("type")) {
    return {};
  }
  if (!has_type(schema["type"].get<std::string>(), value)) {
    return where + ": not of type " + schema["type"].get<std::string>();
  }
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      std::string inside =
          what_differs(schema["items"], value[i], where + "[" + std::to_string(i) + "]");
      if (!inside.empty()) {
        return inside;
      }
    }
  }
  if (schema.contains("format") && value.get<std::string>().size() != 24) {
    return where + ": no time";
  }
  return value.is_object() ? object_mismatch(schema, value, where) : std::string();
}

std::string object_mismatch(const Json& schema, const Json& value, const std::string& where) {
  for (const Json& name : schema["required"]) {
    if (!value.contains(name.get<std::string>())) {
      return where + ": no " + name.get<std::string>();
    }
  }
  for (const auto& [name, item] : value.items()) {
    std::string inside;
    if (schema["properties"].contains(name)) {
      inside = what_differs(schema["properties"][name], item, where + "." + name);
    } else if (const Json& others = schema["additionalProperties"]; others.is_object()) {
      inside = what_differs(others, item, where + "." + name);
    } else if (others == Json(false)) {
      inside = where + ": unexpected " + name;
    }
    if (!inside.empty()) {
      return inside;
    }
  }
  return {};
}

}  // namespace

Expected<Json> schema_from_text(std::string_view text) {
  return Reader(text).whole();
}

const Json& schema_components() {
  static const Json kComponents = [] {
    Json out = Json::object();
    const auto add = [&](const char* name, std::string_view text) {
      auto schema = schema_from_text(text);
      out[name] = schema ? std::move(*schema) : Json(nullptr);
    };
    add("Service", "{name?:string, host:string, enabled?:boolean, auth:{type:string, ...}, ...}");
    add("Rule",
        "{name?:string, action:'block'|'approve'|'rate_limit'|'allow', enabled?:boolean, ...}");
    add("Agent",
        "{id:string, name:string, identifier:string, role:string, status:'active'|'revoked', "
        "vaults:[{vault_name:string, vault_role:string}], all_vaults:boolean, created_at:time, "
        "createdAt:time, av_agent_token?:string, ...}");
    add("CatalogEntry",
        "{id:string, name:string, host:string, auth_type:string, "
        "suggested_credential_key:string, service:Service, ...}");
    add("StoreKind",
        "{kind:string, title:string, scheme:string, example:string, finds_by_host:boolean, "
        "owner_only:boolean, settings:[{name:string, help:string, secret:boolean, "
        "required:boolean, variable:string, default:string, owner_only:boolean, "
        "admins_values:[string]}]}");
    add("ExternalStore",
        "{id:string, name:string, kind:string, title:string, vault:string, account:string, "
        "settings:{*:string}, state:'new'|'works'|'failing', paired:time|null, ok:time|null, "
        "failed:time|null, error:string, credentials:integer, mappings:integer, leases:integer, "
        "revision:integer, owner_only:boolean, owner_references:boolean, stale?:integer, "
        "health?:{asked:integer, missing:integer, failed:integer, average_ms:integer, "
        "last_failure:string, leases:integer, rests_seconds:integer}, "
        "references?:[{credential?:string, host?:string, reference:string, "
        "missing_since:time|null}]}");
    add("Error", "{error:string, message:string, help?:string, ...}");
    return out;
  }();
  return kComponents;
}

std::optional<StrangeMember> strange_member(const Json& schema, const JsonView& value) {
  if (schema.contains("$ref")) {
    const auto path = schema["$ref"].get<std::string>();
    const std::string name = path.substr(path.rfind('/') + 1);
    return schema_components().contains(name) ? strange_member(schema_components()[name], value)
                                              : std::nullopt;
  }
  if (schema.contains("anyOf")) {
    std::optional<StrangeMember> last;
    for (const Json& one : schema["anyOf"]) {
      if (value.is(JsonView::Kind::kObject) && one.value("type", "") != "object") {
        continue;
      }
      last = strange_member(one, value);
      if (!last) {
        return std::nullopt;
      }
    }
    return last;
  }
  if (value.is(JsonView::Kind::kArray) && schema.contains("items")) {
    for (const JsonView& item : value.children()) {
      if (auto strange = strange_member(schema["items"], item)) {
        return strange;
      }
    }
    return std::nullopt;
  }
  if (!value.is(JsonView::Kind::kObject) || !schema.contains("properties")) {
    return std::nullopt;
  }
  const Json& named = schema["properties"];
  // "{}" names nothing and has nothing: unlike in JSON Schema, that is all there may be.
  const auto others = schema.find("additionalProperties");
  for (const JsonView& member : value.children()) {
    std::string name = member.name();
    const bool known = named.contains(name);
    if (!known && (others == schema.end() || *others == Json(false))) {
      StrangeMember out;
      out.name = std::move(name);
      for (const auto& [word, ignored] : named.items()) {
        out.known.push_back(word);
      }
      return out;
    }
    const Json* const inside = known ? &named[name] : others->is_object() ? &*others : nullptr;
    if (inside != nullptr) {
      if (auto strange = strange_member(*inside, member)) {
        return strange;
      }
    }
  }
  return std::nullopt;
}

std::string mismatch_with(const Json& schema, const Json& value) {
  return what_differs(schema, value, "body");
}

ResponseShape response_shape(std::string_view text) {
  ResponseShape out;
  if (!text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) != 0) {
    const std::size_t blank = text.find(' ');
    const std::string_view digits = text.substr(0, blank);
    std::from_chars(digits.data(), digits.data() + digits.size(), out.status);
    text = blank == std::string_view::npos ? std::string_view() : text.substr(blank + 1);
  }
  if (text.starts_with('@')) {
    out.type = text.substr(1);
  } else {
    out.schema = text;
  }
  return out;
}

}  // namespace av::api
