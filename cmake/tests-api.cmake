set(AV_TESTS_API
  tests/unit/api/api_test.cc tests/unit/api/router_test.cc
  tests/unit/api/access_test.cc tests/unit/api/routes_test.cc tests/unit/api/schema_test.cc
  tests/unit/api/flow_table_test.cc tests/unit/api/oauth_flow_test.cc tests/unit/api/oidc_test.cc
  tests/unit/api/people_routes_test.cc tests/unit/api/sign_in_test.cc tests/unit/api/host_references_test.cc tests/unit/api/store_routes_test.cc
  tests/unit/api/cors_test.cc)
set_source_files_properties(tests/unit/api/routes_test.cc PROPERTIES COMPILE_DEFINITIONS
  AV_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
