set(AV_TESTS_API
  tests/unit/api/api_test.cc tests/unit/api/json_view_test.cc tests/unit/api/router_test.cc
  tests/unit/api/people_routes_test.cc tests/unit/api/sign_in_test.cc)
