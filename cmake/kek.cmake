# Only the headers: the libraries are loaded at use (src/kek/library.h).
pkg_check_modules(LIBSECRET REQUIRED libsecret-1)
pkg_check_modules(TSS2 REQUIRED tss2-esys tss2-mu tss2-tctildr)
pkg_check_modules(P11KIT REQUIRED p11-kit-1)
add_library(av_kek STATIC
  src/kek/keyring_kek.cc src/kek/library.cc src/kek/module_file.cc src/kek/token_kek.cc src/kek/token_session.cc src/kek/tpm_kek.cc src/kek/tpm_library.cc
  src/kek/tpm_session.cc)
target_include_directories(av_kek SYSTEM PRIVATE ${LIBSECRET_INCLUDE_DIRS} ${TSS2_INCLUDE_DIRS}
  ${P11KIT_INCLUDE_DIRS})
target_link_libraries(av_kek PUBLIC av_vault av_core
  PRIVATE nlohmann_json::nlohmann_json OpenSSL::Crypto ${CMAKE_DL_LIBS})
