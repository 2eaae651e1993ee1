// The API about itself: its description, made of the route table, and figures for a monitor.

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "api/call.h"
#include "api/route.h"
#include "api/schema.h"

namespace av::api {
namespace {

Json who_json(const Who& who) {
  switch (who.kind()) {
    case Who::Kind::kAnybody:
      return "anybody";
    case Who::Kind::kSignedIn:
      return "anybody with a token";
    case Who::Kind::kUser:
      return "a person";
    case Who::Kind::kOwner:
      return "the owner of the instance";
    case Who::Kind::kVault:
      return "role " + std::string(to_string(who.role())) + " in the vault";
    case Who::Kind::kVaultOrOwner:
      return "role " + std::string(to_string(who.role())) +
             " in the vault, or the owner of the instance";
  }
  return nullptr;
}

Json parameter(std::string_view name, const char* in, bool required) {
  return {{"name", std::string(name)},
          {"in", in},
          {"required", required},
          {"schema", {{"type", "string"}}}};
}

Json schema_or_any(std::string_view text) {
  auto schema = schema_from_text(text);
  return schema ? std::move(*schema) : Json::object();
}

Json operation(const Route& route) {
  Json out = {{"summary", route.summary}, {"x-who", who_json(route.who)}};
  Json parameters = Json::array();
  std::string_view path = route.path;
  for (std::size_t at = path.find('{'); at != std::string_view::npos; at = path.find('{')) {
    const std::size_t end = path.find('}', at);
    const std::string_view name = path.substr(at + 1, end - at - 1);
    parameters.push_back(parameter(name == "*" ? "rest" : name, "path", true));
    path = path.substr(end);
  }
  std::string_view words = route.query;
  while (!words.empty()) {
    const std::size_t blank = words.find(' ');
    parameters.push_back(parameter(words.substr(0, blank), "query", false));
    words = blank == std::string_view::npos ? std::string_view() : words.substr(blank + 1);
  }
  if (!parameters.empty()) {
    out["parameters"] = std::move(parameters);
  }
  if (!route.request.empty()) {
    out["requestBody"]["content"]["application/json"]["schema"] = schema_or_any(route.request);
  }
  const ResponseShape shape = response_shape(route.response);
  Json& good = out["responses"][std::to_string(shape.status)];
  good["description"] = "done";
  good["content"][std::string(shape.type)]["schema"] =
      shape.schema.empty() ? Json{{"type", "string"}} : schema_or_any(shape.schema);
  Json& bad = out["responses"]["default"];
  bad["description"] = "why not";
  bad["content"]["application/json"]["schema"]["$ref"] = "#/components/schemas/Error";
  if (route.who.kind() != Who::Kind::kAnybody) {
    out["security"] = Json::array({{{"bearer", Json::array()}}, {{"cookie", Json::array()}}});
  }
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return out;
}

Reply openapi(Call& call) {
  Json out = {{"openapi", "3.1.0"},
              {"info", {{"title", "agent-vault"}, {"version", AV_VERSION}}},
              {"paths", Json::object()}};
  for (const Route& route : route_table()) {
    if (call.options().mode == Mode::kRun && route.where < Where::kRuns) {
      continue;
    }
    std::string path(route.path);
    if (path.ends_with("{*}")) {
      path.replace(path.size() - 3, 3, "{rest}");
    }
    out["paths"][path][lower(route.method)] = operation(route);
  }
  out["components"]["schemas"] = schema_components();
  out["components"]["securitySchemes"] = {
      {"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
      {"cookie", {{"type", "apiKey"}, {"in", "cookie"}, {"name", "av_session"}}}};
  return json_reply(out);
}

// From a program on this machine, and not from a reverse proxy that runs on it: that one says for
// whom it asks.
bool is_local(const proxy::ApiRequest& request) {
  static constexpr std::array<std::string_view, 8> kOfProxies{
      "forwarded",         "via",       "x-forwarded-for", "x-forwarded-host",
      "x-forwarded-proto", "x-real-ip", "x-client-ip",     "true-client-ip"};
  return (request.peer == "127.0.0.1" || request.peer == "::1") &&
         std::none_of(request.fields.begin(), request.fields.end(), [](const auto& field) {
           return std::find(kOfProxies.begin(), kOfProxies.end(), field.first) != kOfProxies.end();
         });
}

// Whoever is on this machine, or is the owner: names of nothing are in it, but how busy it is.
Reply metrics(Call& call) {
  if (!is_local(call.request) && !call.actor.owner) {
    return call.actor.kind == Actor::Kind::kNobody
               ? fault(401, "unauthorized", "this needs the token of the owner")
               : fault(403, "forbidden", "only the owner of the instance may see this from afar");
  }
  if (call.options().metrics == nullptr) {
    return fault(404, "not_found", "there are no metrics here");
  }
  return text_reply("text/plain; version=0.0.4; charset=utf-8", call.options().metrics->metrics());
}

}  // namespace

std::span<const Route> meta_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/v1/openapi.json", "this description", Who::anybody(), Where::kRuns, openapi,
            "", "{openapi:string, info:any, paths:any, components:any}"},
      Route{"GET", "/metrics", "figures for Prometheus; on this machine, or for the owner",
            Who::anybody(), Where::kServe, metrics, "", "@text/plain"},
  };
  return kRoutes;
}

}  // namespace av::api
