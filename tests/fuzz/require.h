#pragma once
// What a fuzz target claims. Not assert(): release builds check it too.

#include <cstdlib>

inline void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}
