#pragma once
// What goes wrong on our own side (no memory for a secret, OpenSSL, the store on disk), told as a
// provider tells what goes wrong.

#include <string>
#include <utility>

#include "source/provider.h"

namespace av::source {

template <typename T>
[[nodiscard]] Result<T> ours(Expected<T> result) {
  if (!result) {
    return failure(Failure::Why::kUnreachable, result.error().message, result.error().hint);
  }
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move(*result);
  }
}

}  // namespace av::source
