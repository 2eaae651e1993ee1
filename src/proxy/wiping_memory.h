#pragma once
// WipingMemory: an allocator for C libraries that handle rendered heads with credentials in them:
// what it frees is wiped first.

#include <nghttp2/nghttp2.h>

namespace av::proxy {

[[nodiscard]] nghttp2_mem wiping_memory();

}  // namespace av::proxy
