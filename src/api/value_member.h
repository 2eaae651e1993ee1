#pragma once
// A value as a member of a reply, written into memory that is wiped.

#include "core/secret.h"

namespace av::api {

// Adds ,"value":"..." to an object, or "value_base64" for what is no text.
void append_value(SecretBuffer& object, const Secret& value);

}  // namespace av::api
