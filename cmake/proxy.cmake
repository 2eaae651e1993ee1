# What the broker itself answers: also for the API, which knows nothing else of the proxy.
add_library(av_reply STATIC src/proxy/head.cc src/proxy/head_text.cc src/proxy/local_reply.cc)
target_link_libraries(av_reply PUBLIC av_vault)

add_library(av_proxy STATIC
  src/proxy/api_door.cc src/proxy/asio_impl.cc src/proxy/authenticator.cc src/proxy/body.cc
  src/proxy/body_codings.cc src/proxy/broker_client.cc src/proxy/broker_stream.cc src/proxy/body_filter.cc src/proxy/certificate_authority.cc src/proxy/connector.cc src/proxy/credential_resolver.cc
  src/proxy/egress_proxy.cc src/proxy/egress_tunnel.cc src/proxy/exchange.cc src/proxy/happy_eyeballs.cc
  src/proxy/h2_connection.cc src/proxy/h2_events.cc src/proxy/h2_downstream.cc src/proxy/h2_head.cc src/proxy/h2_server.cc
  src/proxy/h2_stream.cc src/proxy/h2_upstream.cc src/proxy/http1_downstream.cc
  src/proxy/http1_upstream.cc src/proxy/lane.cc src/proxy/request_identity.cc src/proxy/upload.cc
  src/proxy/held_body.cc src/proxy/http1_parser.cc src/proxy/policy_gate.cc src/proxy/poller.cc src/proxy/socket_bio.cc
  src/proxy/injector.cc src/proxy/login_stage.cc src/proxy/metrics.cc src/proxy/net_guard.cc src/proxy/pattern_set.cc
  src/proxy/placeholder_guard.cc src/proxy/placeholder_stream.cc
  src/proxy/prefixed_messages.cc src/proxy/direct_target.cc src/proxy/dns_message.cc src/proxy/name_door.cc src/proxy/name_pool.cc src/proxy/ssh_farewell.cc src/proxy/proxy_relay.cc src/proxy/proxy_server.cc src/proxy/query.cc src/proxy/refusals.cc src/proxy/request_body_filter.cc
  src/proxy/resolver.cc src/proxy/response_plan.cc src/proxy/session.cc src/proxy/session_direct.cc src/proxy/session_head.cc src/proxy/stream.cc src/proxy/stream_tls.cc
  src/proxy/tls_profile.cc src/proxy/tls_session_cache.cc src/proxy/token_refresh.cc src/proxy/tunnel.cc src/proxy/upstream_pool.cc src/proxy/value_fetch.cc src/proxy/guarded_values.cc
  src/proxy/upstream_tls.cc src/proxy/websocket_filters.cc src/proxy/websocket_frames.cc
  src/proxy/websocket_handshake.cc src/proxy/wiping_memory.cc src/proxy/worker.cc
  # the reflection guard
  src/proxy/content_decoder.cc src/proxy/escape.cc src/proxy/hex_view.cc src/proxy/pattern_search.cc
  src/proxy/tenants.cc src/proxy/text_marks.cc src/proxy/text_shape.cc src/proxy/text_view.cc src/proxy/value_forms.cc)
# Debian 12 packages Boost 1.81 beside its default 1.74; coroutines want the newer one.
find_package(Boost 1.81 REQUIRED)
target_link_libraries(av_proxy PUBLIC av_reply av_vault Boost::headers PkgConfig::ZLIB PkgConfig::NGHTTP2
  PkgConfig::BROTLI PkgConfig::ZSTD)
# Coroutine frames that a thread keeps for the next ones: an exchange is some ten deep, of any size.
target_compile_definitions(av_proxy PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
                                           BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=16)
# GCC 12 inlines the operator new of Asio's coroutine frames in some functions, not the operator delete
# that belongs to it, and warns of the pair.
target_compile_options(av_proxy PRIVATE -Wno-mismatched-new-delete)
