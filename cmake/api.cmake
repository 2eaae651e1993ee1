add_library(av_api STATIC
  src/api/actor.cc src/api/api.cc src/api/call.cc src/api/general_routes.cc src/api/json_view.cc
  src/api/query.cc src/api/rate_limiter.cc src/api/reply.cc src/api/route_table.cc
  src/api/router.cc src/api/vault_routes.cc
  src/api/accounts.cc src/api/auth_routes.cc src/api/password_pool.cc src/api/setup_code.cc
  src/api/sign_in_limiter.cc src/api/user_routes.cc)
target_link_libraries(av_api PUBLIC av_reply av_store av_vault av_core nlohmann_json::nlohmann_json)
