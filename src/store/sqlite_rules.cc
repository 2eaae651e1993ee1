#include "core/crypto.h"
#include "store/sqlite_store.h"
#include "vault/rule_codec.h"

namespace av::store {
namespace {

constexpr std::string_view kRead = "cannot read the store";
constexpr std::string_view kSave = "cannot save the rules";
constexpr std::string_view kListRules = "agent-vault rule list";
constexpr const char* kRuleNames = "SELECT name FROM rule WHERE vault_id = ?";

// A rule that cannot be read refuses to be left out: it may be what keeps requests back.
Expected<vault::Rule> parse(const std::string& name, const std::string& uid,
                            const std::string& body) {
  Expected<vault::Rule> rule = vault::rule_from_json(body);
  if (!rule) {
    return make_error(
        ErrorCode::kCorrupt,
        "the rule '" + name + "' in the store cannot be read: " + rule.error().message,
        "agent-vault rule remove " + name);
  }
  rule->name = name;
  rule->uid = uid;
  return rule;
}

Status check_all(const std::vector<vault::Rule>& rules) {
  for (const vault::Rule& rule : rules) {
    AV_CHECK(vault::check_rule(rule));
  }
  return {};
}

// In a write transaction. A limit's counters and the grants of an `approve` rule belong to its uid,
// so that replacing a rule is no way to begin anew.
void put_rule(Database& database, std::int64_t vault_id, const vault::Rule& rule) {
  auto statement = database.prepare(
      "INSERT INTO rule (vault_id, uid, name, position, body) VALUES (?1, ?2, ?3,"
      " (SELECT ifnull(max(position), 0) + 1 FROM rule WHERE vault_id = ?1), ?4)"
      " ON CONFLICT (vault_id, name) DO UPDATE SET body = excluded.body");
  put(statement, 1, vault_id);
  put(statement, 2, crypto::random_hex(16));
  put(statement, 3, rule.name);
  put(statement, 4, vault::rule_to_json(rule));
  statement.exec();
}

}  // namespace

Expected<std::vector<vault::Rule>> SqliteStore::load_rules(std::int64_t vault_id) {
  auto statement = database_.prepare(
      "SELECT name, uid, body FROM rule WHERE vault_id = ? ORDER BY position, id");
  put(statement, 1, vault_id);
  std::vector<vault::Rule> rules;
  while (statement.executeStep()) {
    AV_TRY(vault::Rule rule,
           parse(statement.getColumn(0).getString(), statement.getColumn(1).getString(),
                 statement.getColumn(2).getString()));
    rules.push_back(std::move(rule));
  }
  return rules;
}

Expected<std::vector<vault::Rule>> SqliteStore::list_rules(std::string_view vault) {
  return database_.read(kRead, [&]() -> Expected<std::vector<vault::Rule>> {
    AV_TRY(const VaultRow row, find_vault(vault));
    return load_rules(row.id);
  });
}

Status SqliteStore::put_rules(std::string_view vault, const std::vector<vault::Rule>& rules) {
  AV_CHECK(check_all(rules));
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    for (const vault::Rule& rule : rules) {
      put_rule(database_, row.id, rule);
    }
    return {};
  });
}

Status SqliteStore::replace_rules(std::string_view vault, const std::vector<vault::Rule>& rules) {
  AV_CHECK(check_all(rules));
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    // Those that stay keep their row, and with it uid and grants; where they stand is new.
    auto place = database_.prepare("UPDATE rule SET position = ? WHERE vault_id = ? AND name = ?");
    auto unplace = database_.prepare("UPDATE rule SET position = 0 WHERE vault_id = ?");
    put(unplace, 1, row.id);
    unplace.exec();
    std::int64_t position = 0;
    for (const vault::Rule& rule : rules) {
      put_rule(database_, row.id, rule);
      put(place, 1, ++position);
      put(place, 2, row.id);
      put(place, 3, rule.name);
      place.exec();
      place.reset();
    }
    auto clear = database_.prepare("DELETE FROM rule WHERE vault_id = ? AND position = 0");
    put(clear, 1, row.id);
    clear.exec();
    return {};
  });
}

Status SqliteStore::remove_rules(std::string_view vault, const std::vector<std::string>& names) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    for (const std::string& name : names) {
      auto statement = database_.prepare("DELETE FROM rule WHERE vault_id = ? AND name = ?");
      put(statement, 1, row.id);
      put(statement, 2, name);
      if (statement.exec() == 0) {
        return not_found("rule", name, this->names(kRuleNames, row.id), kListRules);
      }
    }
    return {};
  });
}

Status SqliteStore::enable_rule(std::string_view vault, std::string_view name, bool enabled) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    auto statement =
        database_.prepare("SELECT uid, body FROM rule WHERE vault_id = ? AND name = ?");
    put(statement, 1, row.id);
    put(statement, 2, name);
    if (!statement.executeStep()) {
      return not_found("rule", name, names(kRuleNames, row.id), kListRules);
    }
    AV_TRY(vault::Rule rule, parse(std::string(name), statement.getColumn(0).getString(),
                                   statement.getColumn(1).getString()));
    rule.enabled = enabled;
    put_rule(database_, row.id, rule);
    return {};
  });
}

}  // namespace av::store
