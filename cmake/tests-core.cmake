set(AV_TESTS_CORE
  tests/unit/core/crypto_test.cc
  tests/unit/core/encoding_test.cc
  tests/unit/core/expected_test.cc
  tests/unit/core/fs_test.cc
  tests/unit/core/secret_test.cc)
