# cmake -DINPUT=presets.toml -DOUTPUT=presets_toml.cc -P embed-presets.cmake
file(READ "${INPUT}" text)
if(text MATCHES "\\)presets\"")
  message(FATAL_ERROR "${INPUT} contains the end of the raw string")
endif()
file(WRITE "${OUTPUT}" "#include \"vault/presets_toml.h\"

namespace av::vault {

std::string_view presets_toml() { return R\"presets(${text})presets\"; }

}  // namespace av::vault
")
