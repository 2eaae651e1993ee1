set(AV_TESTS_KEK tests/unit/kek/keyring_test.cc tests/unit/kek/token_test.cc tests/unit/kek/tpm_test.cc)
set(AV_TEST_LIBRARIES_KEK nlohmann_json::nlohmann_json)
set_source_files_properties(${AV_TESTS_KEK} PROPERTIES COMPILE_DEFINITIONS
  AV_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
