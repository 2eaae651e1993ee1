add_library(av_store STATIC
  src/store/agent_lanes.cc src/store/audit_chain.cc src/store/audit_dead.cc src/store/audit_journal.cc src/store/audit_journal_check.cc src/store/audit_key.cc
  src/store/audit_lines.cc src/store/audit_prune.cc src/store/audit_reader.cc src/store/audit_record_json.cc
  src/store/audit_root.cc src/store/audit_root_scan.cc src/store/audit_verify.cc
  src/store/database.cc src/store/environment_kek.cc src/store/file_kek.cc src/store/key_file.cc src/store/key_row.cc src/store/key_store.cc
  src/store/passphrase_kek.cc
  src/store/limit_table.cc src/store/mapped_window.cc src/store/migrations.cc src/store/sqlite_agents.cc src/store/sqlite_approvals.cc
  src/store/byte_lock.cc src/store/lease_owner.cc src/store/sqlite_leases.cc src/store/refresh_lock.cc src/store/sqlite_credentials.cc src/store/sqlite_external.cc src/store/sqlite_oauth.cc src/store/sqlite_proposals.cc src/store/sqlite_rules.cc src/store/sqlite_services.cc src/store/sqlite_store.cc
  src/store/sqlite_vaults.cc
  src/store/sqlite_identities.cc src/store/sqlite_invites.cc src/store/sqlite_members.cc src/store/sqlite_user_sessions.cc
  src/store/sqlite_users.cc)
find_package(SQLite3 REQUIRED)
target_link_libraries(av_store
  PUBLIC av_vault av_core SQLiteCpp SQLite::SQLite3
  PRIVATE nlohmann_json::nlohmann_json)
