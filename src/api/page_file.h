#pragma once
// The web pages' files, embedded at build (cmake/embed-pages.cmake).

#include <span>
#include <string_view>

namespace av::api {

struct PageFile {
  std::string_view name;  // "app.js"
  std::string_view bytes;
};
[[nodiscard]] std::span<const PageFile> page_files();

}  // namespace av::api
