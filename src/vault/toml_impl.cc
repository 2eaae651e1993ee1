// The one translation unit that compiles toml++ (TOML_HEADER_ONLY=0 elsewhere). Its shared library
// would be one more to load at each start, and bring the shared C++ library with it.
//
// Its parser asserts what some malformed texts do not keep ("[[[[a]]", "[?"), and takes it for
// granted where assertions are off. Files may come from anybody: here they are errors like others.
#undef NDEBUG

namespace av::vault {
[[noreturn]] void refuse_toml();
}  // namespace av::vault

#define TOML_ASSERT(expression) \
  (static_cast<bool>(expression) ? static_cast<void>(0) : ::av::vault::refuse_toml())
#define TOML_IMPLEMENTATION
#include <toml++/toml.h>

namespace av::vault {

void refuse_toml() {
  throw toml::parse_error("a key or a bracket stands where it may not", toml::source_position{});
}

}  // namespace av::vault
