#pragma once
// The parameters of a query, as servers split it: at "&" and, some of them, at ";".

#include <string>
#include <string_view>

namespace av::proxy {

// Takes the first "name=value" and the separator behind it off the front.
[[nodiscard]] std::string_view next_parameter(std::string_view& query);
// Whether "name=value" is of the parameter `name`, however it is spelt (case, percent-encoding).
[[nodiscard]] bool names_parameter(std::string_view pair, std::string_view name);
// The query without any spelling of this parameter, so that one added to it is the only one.
[[nodiscard]] std::string without_parameter(std::string_view query, std::string_view name);

}  // namespace av::proxy
