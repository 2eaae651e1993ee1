# The table of presets becomes a string in the program; a change of the table rebuilds it.
set(AV_PRESETS_TOML ${PROJECT_SOURCE_DIR}/src/vault/presets.toml)
set(AV_PRESETS_CC ${PROJECT_BINARY_DIR}/gen/vault/presets_toml.cc)
add_custom_command(
  OUTPUT ${AV_PRESETS_CC}
  COMMAND ${CMAKE_COMMAND} -DINPUT=${AV_PRESETS_TOML} -DOUTPUT=${AV_PRESETS_CC}
          -P ${PROJECT_SOURCE_DIR}/cmake/embed-presets.cmake
  DEPENDS ${AV_PRESETS_TOML} ${PROJECT_SOURCE_DIR}/cmake/embed-presets.cmake
  VERBATIM)

add_library(av_vault STATIC
  src/vault/agent.cc src/vault/approval.cc src/vault/approval_preview.cc src/vault/audit_action.cc
  src/vault/body_conditions.cc src/vault/body_text.cc src/vault/canonical.cc
  src/vault/canonical_host.cc src/vault/field_reader.cc src/vault/flat_table.cc src/vault/json_view.cc
  src/vault/key_ring.cc src/vault/limits.cc src/vault/matcher.cc src/vault/names.cc
  src/vault/external.cc src/vault/host_mapping.cc src/vault/host_reference.cc src/vault/oauth.cc src/vault/oauth_codec.cc src/vault/oauth_secrets.cc
  src/vault/form_text.cc src/vault/method_override.cc src/vault/path_readings.cc src/vault/placeholder.cc src/vault/placeholder_index.cc
  src/vault/policy.cc src/vault/preset.cc src/vault/proposal.cc src/vault/proposal_codec.cc
  src/vault/proposal_diff.cc src/vault/proposal_plan.cc src/vault/proposal_reader.cc src/vault/proposal_suggestion.cc
  src/vault/quoting.cc src/vault/request_text.cc src/vault/secret_members.cc src/vault/service_cover.cc src/vault/rule.cc
  src/vault/rule_codec.cc src/vault/rule_judge.cc src/vault/rule_reader.cc src/vault/rule_review.cc src/vault/rule_set.cc src/vault/service.cc
  src/vault/service_codec.cc src/vault/service_pattern.cc src/vault/service_reader.cc
  src/vault/text_tree.cc src/vault/token.cc src/vault/tree_writer.cc
  src/vault/password.cc src/vault/oauth_refresh.cc src/vault/toml_impl.cc src/vault/user.cc ${AV_PRESETS_CC})
target_link_libraries(av_vault PUBLIC av_core PRIVATE nlohmann_json::nlohmann_json av_toml)
