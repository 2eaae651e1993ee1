# The catalogue of providers becomes a string in the program; a change of it rebuilds that.
set(AV_PROVIDERS_TOML ${PROJECT_SOURCE_DIR}/src/oauth/providers.toml)
set(AV_PROVIDERS_CC ${PROJECT_BINARY_DIR}/gen/oauth/providers_toml.cc)
add_custom_command(
  OUTPUT ${AV_PROVIDERS_CC}
  COMMAND ${CMAKE_COMMAND} -DINPUT=${AV_PROVIDERS_TOML} -DOUTPUT=${AV_PROVIDERS_CC}
          -DDIRECTORY=oauth -DNAME=providers -P ${PROJECT_SOURCE_DIR}/cmake/embed-presets.cmake
  DEPENDS ${AV_PROVIDERS_TOML} ${PROJECT_SOURCE_DIR}/cmake/embed-presets.cmake
  VERBATIM)

add_library(av_oauth STATIC
  src/oauth/answer.cc src/oauth/authorization.cc src/oauth/body_writer.cc src/oauth/challenge.cc src/oauth/connection.cc
  src/oauth/discovery.cc src/oauth/form.cc src/oauth/id_token.cc src/oauth/import.cc src/oauth/jwks.cc
  src/oauth/jwt.cc src/oauth/login.cc src/oauth/mint.cc src/oauth/mix_up.cc src/oauth/provider.cc src/oauth/redirect.cc src/oauth/refresh_attempt.cc
  src/oauth/refresher.cc src/oauth/registration.cc
  src/oauth/revoke.cc src/oauth/token_answer.cc src/oauth/token_endpoint.cc
  src/oauth/slot_client.cc src/oauth/stand_in.cc src/oauth/token_request.cc ${AV_PROVIDERS_CC})
target_link_libraries(av_oauth PUBLIC av_vault av_core PRIVATE nlohmann_json::nlohmann_json)
