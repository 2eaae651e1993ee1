set(AV_TESTS_CMD
  tests/unit/cmd/cli_test.cc tests/unit/cmd/env_file_test.cc tests/unit/cmd/term_test.cc)
