#pragma once
// Schema: the shapes of bodies in a compact form, as the rows of the route table have them, and as
// JSON Schema in /v1/openapi.json.
//
//   string integer number boolean time any null    {name:type, name?:type, ...}    [type]
//   {*:type} any names    'word'    type|type    Name of a component
//
// "?" behind a name: it may be missing. "..." as the last member: there may be others.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_view.h"
#include "api/reply.h"
#include "core/expected.h"

namespace av::api {

// kInvalid when the text is no schema.
[[nodiscard]] Expected<Json> schema_from_text(std::string_view text);
// The components that the table's schemas name: Service, Rule, Agent, ...
[[nodiscard]] const Json& schema_components();
// What about `value` does not fit, with its place; empty when it fits.
[[nodiscard]] std::string mismatch_with(const Json& schema, const Json& value);

// A member of an object that its schema does not name, however deep, and those that it does. Values
// are not looked at, so a body may be full of secrets.
struct StrangeMember {
  std::string name;
  std::vector<std::string> known;
};
[[nodiscard]] std::optional<StrangeMember> strange_member(const Json& schema,
                                                          const JsonView& value);

// A row's `response`: "201 {...}" or "@text/plain".
struct ResponseShape {
  int status = 200;
  std::string_view type = "application/json";
  std::string_view schema;  // empty when it is no JSON
};
[[nodiscard]] ResponseShape response_shape(std::string_view text);

}  // namespace av::api
