# cmake -DDIRECTORY=src/api/pages -DOUTPUT=pages.cc -P embed-pages.cmake
# Byte by byte, so that no content of a file can end its literal.
file(GLOB files RELATIVE "${DIRECTORY}" "${DIRECTORY}/*")
list(SORT files)
set(rows "")
foreach(name IN LISTS files)
  file(READ "${DIRECTORY}/${name}" hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "(................................................................)" "\\1\"\n    \"" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" hex "${hex}")
  string(APPEND rows "    PageFile{\"${name}\", std::string_view{\"${hex}\", ${size}}},\n")
endforeach()
file(WRITE "${OUTPUT}" "#include <array>

#include \"api/page_file.h\"

namespace av::api {

std::span<const PageFile> page_files() {
  static constexpr std::array kFiles = {
${rows}  };
  return kFiles;
}

}  // namespace av::api
")
