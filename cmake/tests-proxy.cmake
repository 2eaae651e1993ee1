set(AV_TESTS_PROXY
  tests/unit/proxy/broker_stream_test.cc tests/unit/proxy/certificate_authority_test.cc tests/unit/proxy/connector_test.cc
  tests/unit/proxy/drain_test.cc
  tests/unit/proxy/egress_proxy_test.cc tests/unit/proxy/egress_tunnel_test.cc tests/unit/proxy/external_values_test.cc
  tests/unit/proxy/grant_end_test.cc tests/unit/proxy/guarded_values_test.cc
  tests/unit/proxy/h2_connection_test.cc tests/unit/proxy/h2_head_test.cc
  tests/unit/proxy/happy_eyeballs_test.cc tests/unit/proxy/http1_downstream_test.cc
  tests/unit/proxy/http1_parser_test.cc
  tests/unit/proxy/injector_test.cc tests/unit/proxy/login_stage_test.cc tests/unit/proxy/name_door_test.cc tests/unit/proxy/net_guard_test.cc tests/unit/proxy/ssh_farewell_test.cc
  tests/unit/proxy/pattern_set_test.cc tests/unit/proxy/placeholder_guard_test.cc
  tests/unit/proxy/poller_test.cc tests/unit/proxy/prefixed_messages_test.cc
  tests/unit/proxy/proxy_relay_test.cc
  tests/unit/proxy/request_body_filter_test.cc tests/unit/proxy/response_plan_test.cc
  tests/unit/proxy/tenants_test.cc tests/unit/proxy/upstream_tls_test.cc
  tests/unit/proxy/websocket_filters_test.cc tests/unit/proxy/websocket_frames_test.cc
  # the reflection guard
  tests/unit/proxy/content_decoder_test.cc tests/unit/proxy/pattern_search_test.cc
  tests/unit/proxy/reflected_forms_test.cc tests/unit/proxy/text_view_test.cc)
pkg_check_modules(BROTLIENC REQUIRED IMPORTED_TARGET libbrotlienc)
set(AV_TEST_LIBRARIES_PROXY PkgConfig::BROTLIENC)
