set(AV_TESTS_VAULT
  tests/unit/vault/approval_preview_test.cc
  tests/unit/vault/canonical_property_test.cc
  tests/unit/vault/canonical_test.cc
  tests/unit/vault/grant_test.cc tests/unit/vault/json_view_test.cc tests/unit/vault/key_ring_test.cc
  tests/unit/vault/host_mapping_test.cc tests/unit/vault/matcher_test.cc
  tests/unit/vault/names_test.cc tests/unit/vault/oauth_test.cc
  tests/unit/vault/placeholder_index_test.cc
  tests/unit/vault/placeholder_test.cc
  tests/unit/vault/policy_test.cc
  tests/unit/vault/preset_test.cc
  tests/unit/vault/proposal_plan_test.cc tests/unit/vault/proposal_test.cc
  tests/unit/vault/rule_body_test.cc tests/unit/vault/rule_codec_test.cc
  tests/unit/vault/rule_match_test.cc tests/unit/vault/rule_set_test.cc
  tests/unit/vault/service_codec_test.cc
  tests/unit/vault/service_test.cc)
