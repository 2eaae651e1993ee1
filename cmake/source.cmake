add_library(av_source STATIC
  src/source/fetch_table.cc src/source/fetch_race.cc src/source/fetcher.cc
  src/source/kinds.cc
  src/source/login_cell.cc src/source/reference_path.cc src/source/rest.cc src/source/jwt_file.cc
  src/source/hashi_client.cc src/source/hashi_kind.cc src/source/hashi_list.cc src/source/hashi_login.cc src/source/hashi_provider.cc src/source/hashi_reference.cc
  src/source/infisical_kind.cc src/source/infisical_list.cc src/source/infisical_provider.cc src/source/infisical_reference.cc
  src/source/provider.cc
  src/source/child_process.cc
  src/source/coverer.cc
  src/source/env_store.cc
  src/source/file_store.cc
  src/source/helper_answer.cc
  src/source/helper_store.cc
  src/source/keyring_store.cc
  src/source/local_kinds.cc
  src/source/onepassword.cc
  src/source/op_connect.cc
  src/source/op_connect_item.cc
  src/source/op_errors.cc
  src/source/op_items.cc
  src/source/op_reference.cc
  src/source/pass_file.cc
  src/source/pass_store.cc
  src/source/process_runner.cc
  src/source/program_file.cc
  src/source/program_setting.cc
  src/source/safe_path.cc
  src/source/store_url.cc
  src/source/aac_channel.cc src/source/aac_link.cc src/source/aac_messages.cc src/source/aac_pairing.cc src/source/aac_relay.cc src/source/aac_transport.cc
  src/source/bitwarden_access.cc src/source/bitwarden_cli.cc src/source/bitwarden_login.cc src/source/bitwarden_reference.cc src/source/bitwarden_sm.cc src/source/cbor.cc src/source/chachapoly.cc src/source/cose.cc src/source/enc_string.cc src/source/keyed_hash.cc
  src/source/noise.cc src/source/one_time_code.cc src/source/sm_token.cc
  src/source/websocket_client.cc src/source/websocket_reader.cc src/source/xchacha.cc)
target_link_libraries(av_source PUBLIC av_vault av_core PRIVATE nlohmann_json::nlohmann_json OpenSSL::Crypto)
