set(AV_TESTS_CMD
  tests/unit/cmd/agent_cmd_test.cc tests/unit/cmd/audit_cmd_test.cc tests/unit/cmd/ca_bundle_test.cc tests/unit/cmd/child_env_test.cc tests/unit/cmd/cli_test.cc
  tests/unit/cmd/duration_test.cc tests/unit/cmd/egress_settings_test.cc tests/unit/cmd/env_file_test.cc
  tests/unit/cmd/key_settings_test.cc tests/unit/cmd/login_capture_test.cc
  tests/unit/cmd/output_test.cc tests/unit/cmd/redirect_listener_test.cc tests/unit/cmd/remote_test.cc
  tests/unit/cmd/lease_book_test.cc tests/unit/cmd/store_meter_test.cc tests/unit/cmd/store_suggest_test.cc tests/unit/cmd/nested_sandbox_test.cc tests/unit/cmd/run_view_test.cc tests/unit/cmd/term_test.cc tests/unit/cmd/user_cmd_test.cc)
set_source_files_properties(tests/unit/cmd/run_view_test.cc PROPERTIES COMPILE_DEFINITIONS
  AV_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
