set(AV_TESTS_STORE
  tests/unit/store/agents_test.cc tests/unit/store/approvals_test.cc
  tests/unit/store/audit_chain_test.cc tests/unit/store/audit_test.cc
  tests/unit/store/audit_verify_test.cc tests/unit/store/damage_test.cc tests/unit/store/external_test.cc tests/unit/store/key_source_test.cc tests/unit/store/key_test.cc
  tests/unit/store/leases_test.cc tests/unit/store/limit_table_test.cc tests/unit/store/oauth_test.cc tests/unit/store/proposals_test.cc tests/unit/store/rules_test.cc
  tests/unit/store/store_test.cc
  tests/unit/store/invites_test.cc tests/unit/store/user_sessions_test.cc
  tests/unit/store/users_test.cc)
