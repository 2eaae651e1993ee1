#include "api/value_member.h"

#include "core/encoding.h"

namespace av::api {

void append_value(SecretBuffer& object, const Secret& value) {
  value.reveal([&](std::string_view bytes) {
    const bool text = encoding::is_utf8(bytes);
    object.append(text ? ",\"value\":\"" : ",\"value_base64\":\"");
    if (text) {
      encoding::append_json_escaped(object, bytes);
    } else {
      encoding::append_base64(object, bytes);
    }
  });
  object.push_back('"');
}

}  // namespace av::api
