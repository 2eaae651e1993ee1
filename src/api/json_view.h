#pragma once
// JsonView under the name that the API's own code uses.

#include "vault/json_view.h"

namespace av::api {

using vault::JsonDocument;
using vault::JsonView;

}  // namespace av::api
