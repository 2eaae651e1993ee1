#pragma once
// Library: a shared library that is loaded when it is used. Those of the keyring, the TPM and
// tokens bring megabytes and threads that a run without them must not pay for, and the fewer have
// read them, the fewer mistakes of theirs are ours.
//
// Functions are bound by the types of their headers:
//     decltype(&Esys_Create) create = nullptr;
//     AV_CHECK(library.bind(create, "Esys_Create"));
// A library is never unloaded: some leave threads behind.

#include <string>

#include "core/expected.h"

namespace av::kek {

class Library {
 public:
  // `name` as dlopen(3) takes it. kUnsupported, with the distribution's package to install, when it
  // is not there.
  [[nodiscard]] static Expected<Library> load(const char* name, const std::string& package);

  // kUnsupported when the library is older than the function.
  template <typename Function>
  [[nodiscard]] Status bind(Function& function, const char* symbol) const {
    AV_TRY(void* const found, find(symbol));
    function = reinterpret_cast<Function>(found);
    return {};
  }

 private:
  Library(void* handle, std::string name) : handle_(handle), name_(std::move(name)) {}
  [[nodiscard]] Expected<void*> find(const char* symbol) const;

  void* handle_;
  std::string name_;
};

}  // namespace av::kek
