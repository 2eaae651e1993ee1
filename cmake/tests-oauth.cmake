set(AV_TESTS_OAUTH
  tests/unit/oauth/authorization_test.cc tests/unit/oauth/discovery_test.cc
  tests/unit/oauth/id_token_test.cc tests/unit/oauth/import_test.cc tests/unit/oauth/login_test.cc tests/unit/oauth/mint_test.cc
  tests/unit/oauth/provider_test.cc tests/unit/oauth/refresher_test.cc tests/unit/oauth/stand_in_test.cc tests/unit/oauth/token_answer_test.cc
  tests/unit/oauth/token_endpoint_test.cc)
set(AV_TEST_LIBRARIES_OAUTH nlohmann_json::nlohmann_json)
