#include <nlohmann/json.hpp>

#include "store/sqlite_store.h"

namespace av::store {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kRead = "cannot read the store";
constexpr std::string_view kSave = "cannot save the approval";
constexpr std::string_view kListApprovals = "agent-vault approval list";
// Of one agent, over all of its runs: more is a flood and not work for a human.
constexpr std::int64_t kMostWaiting = 32;
constexpr std::int64_t kKeepDecided = std::int64_t{7} * 24 * 3600 * 1000;

std::string to_json(const vault::ApprovalRequest& r) {
  Json json = {{"vault", r.vault},
               {"run", r.run},
               {"agent", r.agent},
               {"agent_uid", r.agent_uid},
               {"rule", r.rule},
               {"rule_uids", r.rule_uids},
               {"method", r.method},
               {"url", r.url},
               {"url_no_query", r.url_no_query},
               {"content_type", r.content_type},
               {"has_body", r.has_body},
               {"body_size", r.body_size},
               {"body_complete", r.body_complete},
               {"preview", r.preview}};
  if (!r.effect.empty()) {
    json["effect"] = r.effect;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Expected<Store::Approval> approval_of(const SQLite::Statement& row) {
  const auto json = Json::parse(row.getColumn(1).getString(), nullptr, false);
  const auto state = vault::approval_state_from_string(row.getColumn(2).getString());
  Store::Approval out;
  vault::ApprovalRequest& r = out.request;
  r.id = row.getColumn(0).getString();
  if (!json.is_object() || !state) {
    return make_error(ErrorCode::kCorrupt, "the approval " + r.id + " in the store cannot be read");
  }
  r.vault = json.value("vault", "");
  r.run = json.value("run", "");
  r.agent = json.value("agent", "");
  r.rule = json.value("rule", "");
  r.agent_uid = json.value("agent_uid", "");
  r.rule_uids = json.value("rule_uids", std::vector<std::string>());
  r.method = json.value("method", "");
  r.url = json.value("url", "");
  r.url_no_query = json.value("url_no_query", "");
  r.content_type = json.value("content_type", "");
  r.has_body = json.value("has_body", true);
  r.body_size = json.value("body_size", std::uint64_t{0});
  r.body_complete = json.value("body_complete", false);
  r.preview = json.value("preview", "");
  r.effect = json.value("effect", "");
  r.created_ms = row.getColumn(3).getInt64();
  r.expires_ms = row.getColumn(4).getInt64();
  out.decided_ms = row.getColumn(5).getInt64();
  out.state = *state;
  return out;
}

constexpr const char* kColumns =
    "SELECT id, request, state, created_ms, expires_ms, decided_ms FROM approval ";

vault::ApprovalGrant grant_of(const SQLite::Statement& row) {
  vault::ApprovalGrant grant;
  grant.id = row.getColumn(0).getString();
  grant.rule_uid = row.getColumn(1).getString();
  grant.agent_uid = row.getColumn(2).getString();
  grant.method = row.getColumn(3).getString();
  grant.url_no_query = row.getColumn(4).getString();
  grant.uses = static_cast<std::uint32_t>(row.getColumn(5).getInt64());
  grant.expires_ms = row.getColumn(6).getInt64();
  return grant;
}

}  // namespace

std::vector<vault::ApprovalGrant> SqliteStore::load_grants(std::int64_t vault_id) {
  auto statement = database_.prepare(
      "SELECT id, rule_uid, agent_uid, method, url, uses, expires_ms FROM approval_grant"
      " WHERE vault_id = ? AND expires_ms > ? ORDER BY created_ms, id");
  put(statement, 1, vault_id);
  put(statement, 2, clock_.wall_ms());
  std::vector<vault::ApprovalGrant> grants;
  while (statement.executeStep()) {
    grants.push_back(grant_of(statement));
  }
  return grants;
}

Expected<std::vector<Store::GrantInfo>> SqliteStore::list_grants(std::string_view vault) {
  return database_.read(kRead, [&]() -> Expected<std::vector<GrantInfo>> {
    VaultRow row;  // id 0: every vault
    if (!vault.empty()) {
      AV_TRY(row, find_vault(vault));
    }
    auto statement = database_.prepare(
        "SELECT g.id, g.rule_uid, g.agent_uid, g.method, g.url, g.uses, g.expires_ms, v.name,"
        " v.uid, r.name, coalesce(a.name, ''), g.created_ms FROM approval_grant g"
        " JOIN vault v ON v.id = g.vault_id JOIN rule r ON r.uid = g.rule_uid"
        " LEFT JOIN agent a ON a.uid = g.agent_uid"
        " WHERE (?1 = 0 OR g.vault_id = ?1) AND g.expires_ms > ?2"
        // Of an agent that is gone or revoked nothing is left.
        " AND (g.agent_uid = '' OR (a.uid IS NOT NULL AND a.revoked_ms = 0))"
        " ORDER BY g.created_ms, g.id");
    put(statement, 1, row.id);
    put(statement, 2, clock_.wall_ms());
    std::vector<GrantInfo> out;
    while (statement.executeStep()) {
      GrantInfo& info = out.emplace_back();
      info.grant = grant_of(statement);
      info.vault = statement.getColumn(7).getString();
      info.vault_uid = statement.getColumn(8).getString();
      info.rule = statement.getColumn(9).getString();
      info.agent = statement.getColumn(10).getString();
      info.created_ms = statement.getColumn(11).getInt64();
    }
    return out;
  });
}

Status SqliteStore::revoke_grants(const std::vector<std::string>& ids) {
  return database_.write("cannot revoke the approval", [&]() -> Status {
    for (const std::string& id : ids) {
      auto statement = database_.prepare("DELETE FROM approval_grant WHERE id = ?");
      put(statement, 1, id);
      if (statement.exec() == 0) {
        return make_error(ErrorCode::kNotFound, "there is no grant '" + id + "', or not any more",
                          "agent-vault approval grants");
      }
    }
    return {};
  });
}

Expected<std::vector<Store::Approval>> SqliteStore::list_approvals(std::string_view vault,
                                                                   bool waiting_only) {
  return database_.read(kRead, [&]() -> Expected<std::vector<Approval>> {
    VaultRow row;  // id 0: every vault
    if (!vault.empty()) {
      AV_TRY(row, find_vault(vault));
    }
    auto statement = database_.prepare(
        (std::string(kColumns) +
         "WHERE (?1 = 0 OR vault_id = ?1) AND (?2 = 0 OR (state = 'pending' AND expires_ms > ?3))"
         " ORDER BY created_ms, id")
            .c_str());
    put(statement, 1, row.id);
    put(statement, 2, std::int64_t{waiting_only ? 1 : 0});
    put(statement, 3, clock_.wall_ms());
    std::vector<Approval> out;
    while (statement.executeStep()) {
      AV_TRY(Approval approval, approval_of(statement));
      out.push_back(std::move(approval));
    }
    return out;
  });
}

Expected<Store::Approval> SqliteStore::get_approval(std::string_view id) {
  return database_.read(kRead, [&]() -> Expected<Approval> {
    auto statement = database_.prepare((std::string(kColumns) + "WHERE id = ?").c_str());
    put(statement, 1, id);
    if (!statement.executeStep()) {
      return not_found("approval", id, {}, kListApprovals);
    }
    return approval_of(statement);
  });
}

Status SqliteStore::add_approval(const vault::ApprovalRequest& request) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(request.vault));
    const std::int64_t now = clock_.wall_ms();
    auto prune = database_.prepare("DELETE FROM approval WHERE expires_ms < ?");
    put(prune, 1, now - kKeepDecided);
    prune.exec();
    auto forget = database_.prepare("DELETE FROM approval_grant WHERE expires_ms < ?");
    put(forget, 1, now - kKeepDecided);
    forget.exec();
    auto count = database_.prepare(
        "SELECT count(*) FROM approval WHERE vault_id = ? AND state = 'pending'"
        " AND expires_ms > ? AND json_extract(request, '$.agent') = ?");
    put(count, 1, row.id);
    put(count, 2, now);
    put(count, 3, request.agent);
    count.executeStep();
    if (count.getColumn(0).getInt64() >= kMostWaiting) {
      return make_error(ErrorCode::kConflict, "32 requests of this agent wait for approval already",
                        std::string(kListApprovals));
    }
    auto insert = database_.prepare(
        "INSERT INTO approval (id, vault_id, state, request, created_ms, expires_ms)"
        " VALUES (?, ?, 'pending', ?, ?, ?)");
    put(insert, 1, request.id);
    put(insert, 2, row.id);
    put(insert, 3, to_json(request));
    put(insert, 4, request.created_ms);
    put(insert, 5, request.expires_ms);
    insert.exec();
    return {};
  });
}

Status SqliteStore::decide_approval(std::string_view id, vault::ApprovalState state,
                                    const std::vector<vault::ApprovalGrant>& grants) {
  return database_.write(kSave, [&]() -> Status {
    auto select =
        database_.prepare("SELECT vault_id, state, expires_ms FROM approval WHERE id = ?");
    put(select, 1, id);
    if (!select.executeStep()) {
      return not_found("approval", id, {}, kListApprovals);
    }
    const std::int64_t now = clock_.wall_ms();
    const std::string before = select.getColumn(1).getString();
    const bool late = select.getColumn(2).getInt64() <= now;
    const bool by_human =
        state == vault::ApprovalState::kAllowed || state == vault::ApprovalState::kDenied;
    if (before != "pending" || (late && by_human)) {
      return make_error(ErrorCode::kConflict,
                        "the request " + std::string(id) + " does not wait any more: it is " +
                            (before == "pending" ? "expired" : before),
                        "the agent can send it again; see: " + std::string(kListApprovals));
    }
    for (const vault::ApprovalGrant& grant : grants) {
      auto rule = database_.prepare("SELECT 1 FROM rule WHERE uid = ?");
      put(rule, 1, grant.rule_uid);
      if (!rule.executeStep()) {
        return make_error(ErrorCode::kConflict, "a rule that held this request is gone",
                          "allow this one alone: agent-vault approval allow " + std::string(id));
      }
    }
    auto update = database_.prepare("UPDATE approval SET state = ?, decided_ms = ? WHERE id = ?");
    put(update, 1, vault::to_string(state));
    put(update, 2, now);
    put(update, 3, id);
    update.exec();
    for (const vault::ApprovalGrant& grant : grants) {
      auto insert = database_.prepare(
          "INSERT INTO approval_grant"
          " (id, vault_id, rule_uid, agent_uid, method, url, uses, expires_ms, created_ms)"
          " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
      put(insert, 1, grant.id);
      put(insert, 2, select.getColumn(0).getInt64());
      put(insert, 3, grant.rule_uid);
      put(insert, 4, grant.agent_uid);
      put(insert, 5, grant.method);
      put(insert, 6, grant.url_no_query);
      put(insert, 7, std::int64_t{grant.uses});
      put(insert, 8, grant.expires_ms);
      put(insert, 9, now);
      insert.exec();
    }
    return {};
  });
}

}  // namespace av::store
