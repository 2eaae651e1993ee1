# The files of the web pages become a table in the program; a change of one rebuilds it.
file(GLOB AV_PAGES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/api/pages/*)
set(AV_PAGES_CC ${PROJECT_BINARY_DIR}/gen/api/page_files.cc)
add_custom_command(
  OUTPUT ${AV_PAGES_CC}
  COMMAND ${CMAKE_COMMAND} -DDIRECTORY=${PROJECT_SOURCE_DIR}/src/api/pages -DOUTPUT=${AV_PAGES_CC}
          -P ${PROJECT_SOURCE_DIR}/cmake/embed-pages.cmake
  DEPENDS ${AV_PAGES} ${PROJECT_SOURCE_DIR}/cmake/embed-pages.cmake
  VERBATIM)

add_library(av_api STATIC
  src/api/actor.cc src/api/api.cc src/api/call.cc src/api/container_sessions.cc src/api/general_routes.cc
  src/api/query.cc src/api/rate_limiter.cc src/api/reply.cc src/api/route_table.cc
  src/api/router.cc src/api/vault_routes.cc
  src/api/accounts.cc src/api/auth_routes.cc src/api/password_pool.cc src/api/setup_code.cc
  src/api/browser_flow.cc src/api/flow_table.cc src/api/oauth_client_words.cc
  src/api/oauth_routes.cc src/api/oauth_token_routes.cc src/api/oidc_routes.cc
  src/api/provider_pool.cc src/api/sign_in_limiter.cc src/api/user_routes.cc
  src/api/agent_access.cc src/api/agent_routes.cc src/api/approval_routes.cc
  src/api/credential_routes.cc src/api/log_routes.cc src/api/meta_routes.cc src/api/page_routes.cc
  src/api/proposal_routes.cc src/api/rule_explanation.cc src/api/rule_routes.cc src/api/schema.cc
  src/api/cors.cc src/api/reference_routes.cc src/api/store_ask.cc src/api/store_ask_routes.cc
  src/api/store_check.cc src/api/store_pairing.cc src/api/store_pool.cc src/api/store_rights.cc
  src/api/store_routes.cc src/api/store_words.cc src/api/value_member.cc
  src/api/service_routes.cc src/api/session_routes.cc ${AV_PAGES_CC})
target_link_libraries(av_api PUBLIC av_reply av_store av_oauth av_source av_vault av_core nlohmann_json::nlohmann_json)
