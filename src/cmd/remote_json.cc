#include "cmd/remote_json.h"

#include "core/clock.h"

namespace av::cmd::remote_json {

Expected<Json> ask(ApiClient& api, std::string_view method, std::string_view target,
                   std::string_view body) {
  AV_TRY(const std::string answer, api.send(method, target, body));
  Json json = Json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return make_error(ErrorCode::kNetwork, "the answer of agent-vault is not JSON",
                      "is " + api.url().text() + " the address of agent-vault serve?");
  }
  return json;
}

Expected<Json> tell(ApiClient& api, std::string_view method, std::string_view target,
                    const Json& body) {
  return ask(api, method, target, body.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::vector<Json> list(const Json& json, const char* name) {
  std::vector<Json> out;
  const auto it = json.find(name);
  if (it != json.end() && it->is_array()) {
    std::copy_if(it->begin(), it->end(), std::back_inserter(out),
                 [](const Json& item) { return item.is_object(); });
  }
  return out;
}

std::string text(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::int64_t number(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_number_integer() ? it->get<std::int64_t>() : 0;
}

bool flag(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_boolean() && it->get<bool>();
}

std::vector<std::string> texts(const Json& json, const char* name) {
  std::vector<std::string> out;
  const auto it = json.find(name);
  if (it != json.end() && it->is_array()) {
    for (const Json& item : *it) {
      if (item.is_string()) {
        out.push_back(item.get<std::string>());
      }
    }
  }
  return out;
}

std::int64_t time(const Json& json, const char* name) {
  return parse_rfc3339(text(json, name)).value_or(0);
}

std::string path(std::initializer_list<std::string_view> parts) {
  std::string out = "/v1";
  for (const std::string_view part : parts) {
    out += "/" + encoding::percent(part);
  }
  return out;
}

Error not_here(std::string_view what, std::string hint) {
  return make_error(
      ErrorCode::kUnsupported, std::string(what) + " is not to be had from another machine",
      hint.empty() ? "do it where `agent-vault serve` runs; or --local, for the store "
                     "of this machine"
                   : std::move(hint));
}

}  // namespace av::cmd::remote_json
