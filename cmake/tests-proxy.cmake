set(AV_TESTS_PROXY
  tests/unit/proxy/certificate_authority_test.cc tests/unit/proxy/h2_connection_test.cc
  tests/unit/proxy/h2_head_test.cc tests/unit/proxy/http1_parser_test.cc
  tests/unit/proxy/injector_test.cc tests/unit/proxy/net_guard_test.cc
  tests/unit/proxy/pattern_set_test.cc tests/unit/proxy/response_plan_test.cc)
