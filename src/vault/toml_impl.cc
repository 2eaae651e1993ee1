// The one translation unit that compiles toml++ (TOML_HEADER_ONLY=0 elsewhere). Its shared library
// would be one more to load at each start, and bring the shared C++ library with it.
#define TOML_IMPLEMENTATION
#include <toml++/toml.h>
