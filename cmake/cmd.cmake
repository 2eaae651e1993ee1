add_library(av_cmd STATIC
  src/cmd/agent_setup.cc src/cmd/ca_bundle.cc src/cmd/child_env.cc src/cmd/cli.cc
  src/cmd/command_table.cc src/cmd/completion_cmd.cc src/cmd/context.cc src/cmd/credential_cmd.cc
  src/cmd/credential_set.cc src/cmd/egress_settings.cc src/cmd/env_file.cc src/cmd/env_secrets.cc src/cmd/hidden_paths.cc
  src/cmd/key_cmd.cc
  src/cmd/log_cmd.cc src/cmd/option_set.cc src/cmd/output.cc src/cmd/run_cmd.cc src/cmd/run_directory.cc
  src/cmd/run_options.cc src/cmd/run_supervisor.cc src/cmd/service_add.cc src/cmd/service_cmd.cc
  src/cmd/shared_file.cc src/cmd/term.cc
  src/cmd/vault_cmd.cc)
target_link_libraries(av_cmd
  PUBLIC av_proxy av_store av_isolation av_vault av_core
  PRIVATE CLI11::CLI11 nlohmann_json::nlohmann_json PkgConfig::TOMLPP)

add_executable(agent-vault src/cmd/main.cc)
target_link_libraries(agent-vault PRIVATE av_cmd)
install(TARGETS agent-vault RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
