#include "proxy/body_codings.h"

#include <algorithm>

namespace av::proxy {

std::optional<CodingList> content_codings(const std::vector<Field>& fields) {
  std::optional<CodingList> codings = CodingList();
  for (const Field& field : fields) {
    if (codings && iequals(field.name, "content-encoding")) {
      codings = parse_content_encoding(field.value, *codings);
    }
  }
  return codings;
}

bool has_coded_messages(const std::vector<Field>& fields) {
  return std::any_of(fields.begin(), fields.end(), [](const Field& field) {
    return (iequals(field.name, "grpc-encoding") ||
            iequals(field.name, "connect-content-encoding")) &&
           !iequals(field.value, "identity");
  });
}

}  // namespace av::proxy
