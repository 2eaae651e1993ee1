set(AV_TESTS_SOURCE
  tests/unit/source/fetch_table_test.cc tests/unit/source/fetcher_test.cc
  tests/unit/source/coverer_test.cc tests/unit/source/kinds_test.cc
  tests/unit/source/local_kinds_test.cc
  tests/unit/source/onepassword_test.cc
  tests/unit/source/op_connect_test.cc
  tests/unit/source/process_runner_test.cc
  tests/unit/source/program_file_test.cc
  tests/unit/source/stubs_test.cc
  tests/unit/source/aac_transport_test.cc tests/unit/source/bitwarden_access_test.cc tests/unit/source/bitwarden_cli_test.cc
  tests/unit/source/bitwarden_reference_test.cc tests/unit/source/bitwarden_sm_test.cc
  tests/unit/source/cbor_test.cc tests/unit/source/noise_test.cc tests/unit/source/one_time_code_test.cc tests/unit/source/xchacha_test.cc
  tests/unit/source/websocket_test.cc
  tests/unit/source/counterpart.cc tests/unit/source/hashi_test.cc tests/unit/source/infisical_test.cc
  tests/unit/source/login_cell_test.cc tests/unit/source/path_reference_test.cc tests/unit/source/rest_test.cc)
set_source_files_properties(tests/unit/source/counterpart.cc PROPERTIES COMPILE_DEFINITIONS
  AV_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
set(AV_TEST_LIBRARIES_SOURCE nlohmann_json::nlohmann_json)
set_source_files_properties(tests/unit/source/stubs_test.cc PROPERTIES
  COMPILE_DEFINITIONS "AV_TEST_SUPPORT=\"${PROJECT_SOURCE_DIR}/tests/support\"")
