#include "kek/library.h"

#include <dlfcn.h>

#include "core/encoding.h"

namespace av::kek {

Expected<Library> Library::load(const char* name, const std::string& package) {
  void* const handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* const why = ::dlerror();
    return make_error(ErrorCode::kUnsupported,
                      "cannot load " + std::string(name) + ": " +
                          encoding::printable(why == nullptr ? "no reason given" : why),
                      package.empty() ? "check the path" : "apt-get install " + package);
  }
  return Library(handle, name);
}

Expected<void*> Library::find(const char* symbol) const {
  void* const found = ::dlsym(handle_, symbol);
  if (found == nullptr) {
    return make_error(ErrorCode::kUnsupported,
                      name_ + " has no function " + symbol + ": it is another library, or too old");
  }
  return found;
}

}  // namespace av::kek
