#include "proxy/wiping_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace av::proxy {
namespace {

void* wiping_malloc(std::size_t size, void* /*user*/) {
  return std::malloc(size);
}
void wiping_free(void* memory, void* /*user*/) {
  if (memory != nullptr) {
    OPENSSL_cleanse(memory, ::malloc_usable_size(memory));
    std::free(memory);
  }
}
void* wiping_calloc(std::size_t count, std::size_t size, void* /*user*/) {
  return std::calloc(count, size);
}
void* wiping_realloc(void* memory, std::size_t size, void* user) {
  if (memory == nullptr) {
    return std::malloc(size);
  }
  void* const fresh = std::malloc(size);
  if (fresh != nullptr) {
    std::memcpy(fresh, memory, std::min(size, ::malloc_usable_size(memory)));
    wiping_free(memory, user);
  }
  return fresh;
}

}  // namespace

nghttp2_mem wiping_memory() {
  nghttp2_mem memory{};
  memory.malloc = wiping_malloc;
  memory.free = wiping_free;
  memory.calloc = wiping_calloc;
  memory.realloc = wiping_realloc;
  return memory;
}

}  // namespace av::proxy
