add_library(av_cmd STATIC
  src/cmd/agent_cmd.cc src/cmd/agent_session.cc src/cmd/agent_setup.cc src/cmd/agent_show.cc
  src/cmd/api_setup.cc src/cmd/approval_cmd.cc src/cmd/approval_desk.cc
  src/cmd/audit_cmd.cc src/cmd/audit_export.cc src/cmd/audit_filter.cc src/cmd/audit_settings.cc
  src/cmd/ca_bundle.cc src/cmd/changes.cc src/cmd/child_env.cc src/cmd/cli.cc
  src/cmd/command_table.cc src/cmd/completion_cmd.cc src/cmd/container_env_cmd.cc src/cmd/context.cc src/cmd/credential_cmd.cc
  src/cmd/credential_set.cc src/cmd/duration.cc src/cmd/egress_settings.cc src/cmd/env_file.cc
  src/cmd/env_secrets.cc src/cmd/export_cursor.cc src/cmd/given_secret.cc src/cmd/paired_store.cc src/cmd/source_http.cc src/cmd/store_cmd.cc
  src/cmd/store_env.cc src/cmd/store_keeper.cc src/cmd/lease_book.cc src/cmd/store_pair.cc src/cmd/remote_store_external.cc src/cmd/helper_cover.cc src/cmd/hidden_paths.cc src/cmd/http_client.cc
  src/cmd/http_url.cc src/cmd/api_client.cc src/cmd/keeper_socket.cc src/cmd/kept_key.cc src/cmd/key_cmd.cc src/cmd/key_keeper.cc src/cmd/key_protect.cc src/cmd/key_settings.cc src/cmd/unlock_cmd.cc src/cmd/launch_spec.cc src/cmd/listener.cc src/cmd/doctor_attack.cc
  src/cmd/doctor_checks.cc src/cmd/doctor_cmd.cc src/cmd/doctor_isolation.cc src/cmd/nested_sandbox.cc src/cmd/config_file.cc src/cmd/run_config.cc src/cmd/shell_init_cmd.cc src/cmd/wrapped_shell.cc src/cmd/network_view.cc src/cmd/run_ports.cc src/cmd/stand_in_files.cc
  src/cmd/strict_view.cc src/cmd/ways_out.cc src/cmd/login_capture.cc src/cmd/login_capture_pump.cc src/cmd/login_cmd.cc src/cmd/login_plan.cc
  src/cmd/store_kinds.cc src/cmd/store_map.cc src/cmd/store_read.cc src/cmd/store_suggest.cc src/cmd/store_status.cc src/cmd/store_meter.cc
  src/cmd/remote.cc src/cmd/remote_json.cc src/cmd/remote_log.cc src/cmd/remote_people.cc
  src/cmd/remote_proxy.cc src/cmd/remote_run.cc src/cmd/remote_store.cc src/cmd/remote_store_agents.cc
  src/cmd/remote_store_oauth.cc src/cmd/narrow_options.cc src/cmd/proposal_cmd.cc src/cmd/proposal_create.cc
  src/cmd/proposal_review.cc src/cmd/proposal_view.cc src/cmd/log_cmd.cc src/cmd/oauth_cmd.cc src/cmd/oauth_store.cc src/cmd/oauth_words.cc
  src/cmd/oauth_connect.cc src/cmd/oauth_flow.cc src/cmd/oauth_import.cc src/cmd/agent_login.cc
  src/cmd/oauth_options.cc src/cmd/proposal_connect.cc
  src/cmd/oauth_paste.cc src/cmd/option_set.cc src/cmd/otlp_client.cc src/cmd/otlp_json.cc src/cmd/otlp_sink.cc src/cmd/output.cc src/cmd/run_cmd.cc src/cmd/run_locally.cc src/cmd/run_directory.cc
  src/cmd/rule_add.cc src/cmd/rule_cmd.cc src/cmd/rule_expect.cc src/cmd/rule_explain.cc src/cmd/rule_file.cc
  src/cmd/provider_http.cc src/cmd/redirect_listener.cc src/cmd/rule_test.cc src/cmd/token_audit.cc src/cmd/token_keeper.cc
  src/cmd/run_options.cc src/cmd/run_supervisor.cc src/cmd/serve_cmd.cc src/cmd/serve_oidc.cc src/cmd/serve_options.cc src/cmd/service_add.cc src/cmd/service_cmd.cc
  src/cmd/shared_file.cc src/cmd/source_dialer.cc src/cmd/store_ca.cc src/cmd/tenant_plan.cc src/cmd/term.cc
  src/cmd/member_cmd.cc src/cmd/user_cmd.cc src/cmd/vault_cmd.cc src/cmd/version_cmd.cc)
target_link_libraries(av_cmd
  PUBLIC av_api av_oauth av_source av_proxy av_store av_kek av_isolation av_vault av_core
  PRIVATE CLI11::CLI11 nlohmann_json::nlohmann_json av_toml)

# A library of its own: a new commit compiles one line.
set(AV_COMMIT "" CACHE STRING "Commit that --version names, where the tree is not a repository")
set(AV_COMMIT_CC ${PROJECT_BINARY_DIR}/gen/cmd/commit.cc)
add_custom_target(av_commit_cc BYPRODUCTS ${AV_COMMIT_CC}
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUTPUT=${AV_COMMIT_CC} -DCOMMIT=${AV_COMMIT}
          -P ${PROJECT_SOURCE_DIR}/cmake/commit.cmake
  COMMENT "" VERBATIM)
add_library(av_commit STATIC ${AV_COMMIT_CC})
add_dependencies(av_commit av_commit_cc)
target_link_libraries(av_commit PRIVATE av_flags)
target_link_libraries(av_cmd PRIVATE av_commit)

add_executable(agent-vault src/cmd/main.cc)
# What starts with every run must start fast, and most of that is the dynamic linker's. It looks each
# symbol up in the libraries in their order: first those that bind thousands of their own. And the
# C++ library, of which the program needs little, brings two thousand more and half of its size in
# relocations.
target_link_libraries(agent-vault PRIVATE OpenSSL::Crypto SQLite::SQLite3 OpenSSL::SSL av_cmd)
include(CheckLinkerFlag)
check_linker_flag(CXX "-static-libstdc++" AV_HAS_STATIC_LIBSTDCXX)
if(AV_HAS_STATIC_LIBSTDCXX AND NOT AV_SANITIZE AND NOT AV_FUZZ)
  target_link_options(agent-vault PRIVATE -static-libstdc++ -static-libgcc)
endif()
target_link_options(agent-vault PRIVATE -Wl,--gc-sections)
install(TARGETS agent-vault RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
