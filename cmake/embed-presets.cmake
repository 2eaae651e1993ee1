# cmake -DINPUT=presets.toml -DOUTPUT=presets_toml.cc [-DDIRECTORY=vault -DNAME=presets] -P embed-presets.cmake
if(NOT NAME)
  set(DIRECTORY vault)
  set(NAME presets)
endif()
file(READ "${INPUT}" text)
if(text MATCHES "\\)toml\"")
  message(FATAL_ERROR "${INPUT} contains the end of the raw string")
endif()
file(WRITE "${OUTPUT}" "#include \"${DIRECTORY}/${NAME}_toml.h\"

namespace av::${DIRECTORY} {

std::string_view ${NAME}_toml() { return R\"toml(${text})toml\"; }

}  // namespace av::${DIRECTORY}
")
