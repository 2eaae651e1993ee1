#include "store/sqlite_store.h"
#include "vault/service_codec.h"

namespace av::store {
namespace {

constexpr std::string_view kRead = "cannot read the store";
constexpr std::string_view kSave = "cannot save the services";
constexpr std::string_view kListServices = "agent-vault vault service list";
constexpr const char* kServiceNames = "SELECT name FROM service WHERE vault_id = ?";

Expected<vault::Service> parse(const std::string& name, const std::string& body) {
  Expected<vault::Service> service = vault::service_from_json(body);
  if (!service) {
    return make_error(
        ErrorCode::kCorrupt,
        "the service '" + name + "' in the store cannot be read: " + service.error().message,
        "agent-vault vault service remove " + name);
  }
  return service;
}

}  // namespace

Expected<std::vector<vault::Service>> SqliteStore::load_services(std::int64_t vault_id) {
  auto statement =
      database_.prepare("SELECT name, body FROM service WHERE vault_id = ? ORDER BY position, id");
  put(statement, 1, vault_id);
  std::vector<vault::Service> services;
  while (statement.executeStep()) {
    AV_TRY(vault::Service service,
           parse(statement.getColumn(0).getString(), statement.getColumn(1).getString()));
    services.push_back(std::move(service));
  }
  return services;
}

Status SqliteStore::put_service(std::int64_t vault_id, const vault::Service& service) {
  auto statement = database_.prepare(
      "INSERT INTO service (vault_id, name, position, body) VALUES (?1, ?2,"
      " (SELECT ifnull(max(position), 0) + 1 FROM service WHERE vault_id = ?1), ?3)"
      " ON CONFLICT (vault_id, name) DO UPDATE SET body = excluded.body");
  put(statement, 1, vault_id);
  put(statement, 2, service.name);
  put(statement, 3, vault::service_to_json(service));
  statement.exec();
  return {};
}

Expected<std::vector<vault::Service>> SqliteStore::list_services(std::string_view vault) {
  return database_.read(kRead, [&]() -> Expected<std::vector<vault::Service>> {
    AV_TRY(const VaultRow row, find_vault(vault));
    return load_services(row.id);
  });
}

Status SqliteStore::put_services(std::string_view vault,
                                 const std::vector<vault::Service>& services) {
  for (const vault::Service& service : services) {
    AV_CHECK(vault::check_service(service));
  }
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    for (const vault::Service& service : services) {
      AV_CHECK(put_service(row.id, service));
    }
    return {};
  });
}

Status SqliteStore::replace_services(std::string_view vault,
                                     const std::vector<vault::Service>& services) {
  for (const vault::Service& service : services) {
    AV_CHECK(vault::check_service(service));
  }
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    auto clear = database_.prepare("DELETE FROM service WHERE vault_id = ?");
    put(clear, 1, row.id);
    clear.exec();
    for (const vault::Service& service : services) {
      AV_CHECK(put_service(row.id, service));
    }
    return {};
  });
}

Status SqliteStore::remove_service(std::string_view vault, std::string_view name) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    auto statement = database_.prepare("DELETE FROM service WHERE vault_id = ? AND name = ?");
    put(statement, 1, row.id);
    put(statement, 2, name);
    if (statement.exec() == 0) {
      return not_found("service", name, names(kServiceNames, row.id), kListServices);
    }
    return {};
  });
}

Status SqliteStore::enable_service(std::string_view vault, std::string_view name, bool enabled) {
  return database_.write(kSave, [&]() -> Status {
    AV_TRY(const VaultRow row, find_vault(vault));
    auto statement = database_.prepare("SELECT body FROM service WHERE vault_id = ? AND name = ?");
    put(statement, 1, row.id);
    put(statement, 2, name);
    if (!statement.executeStep()) {
      return not_found("service", name, names(kServiceNames, row.id), kListServices);
    }
    AV_TRY(vault::Service service, parse(std::string(name), statement.getColumn(0).getString()));
    service.enabled = enabled;
    return put_service(row.id, service);
  });
}

}  // namespace av::store
