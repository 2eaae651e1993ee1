#include "api/store_words.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "core/clock.h"
#include "core/encoding.h"
#include "vault/host_reference.h"

namespace av::api {
namespace {

using Why = source::Failure::Why;

int status_of(Why why) {
  switch (why) {
    case Why::kNotFound:
      return 404;
    case Why::kDenied:
    case Why::kRefused:
      return 403;
    case Why::kLocked:
    case Why::kBusy:
      return 503;
    case Why::kUnreachable:
    case Why::kMalformed:
      return 502;
    case Why::kTimeout:
      return 504;
    case Why::kInvalid:
      return 400;
  }
  return 500;
}

std::string_view code_of(Why why) {
  switch (why) {
    case Why::kNotFound:
      return "external_store_not_found";
    case Why::kDenied:
      return "external_store_denied";
    case Why::kLocked:
      return "external_store_locked";
    case Why::kUnreachable:
      return "external_store_unreachable";
    case Why::kTimeout:
      return "external_store_timeout";
    case Why::kBusy:
      return "external_store_busy";
    case Why::kMalformed:
      return "external_store_malformed";
    case Why::kRefused:
      return "external_store_refused";
    case Why::kInvalid:
      return "external_store_invalid";
  }
  return "external_store_invalid";
}

Error usage(std::string message, std::string hint) {
  return make_error(ErrorCode::kUsage, std::move(message), std::move(hint));
}

// `text` with "{host}" in the place of `host`; empty when that does not stand there once.
std::string with_host_part(std::string text, std::string_view host) {
  const std::size_t at = text.find(host);
  if (at == std::string::npos || text.find(host, at + host.size()) != std::string::npos ||
      vault::names_host(text)) {
    return {};
  }
  return text.replace(at, host.size(), vault::kHostPart);
}

// A reference with "{host}" as its kind has it: taken apart with hosts in its place, which must
// come out as they went in.
Expected<FoundReference> find_for_hosts(const StoreInfos& stores, std::string_view vault,
                                        const std::string& reference, std::string_view store_name) {
  AV_CHECK(vault::check_host_part(reference));
  std::optional<FoundReference> out;
  for (const std::string_view host : {"one-host.example", "a.b.other-2.example"}) {
    AV_TRY(FoundReference found,
           find_reference(stores, vault, vault::fill_host(reference, host), store_name));
    found.item = with_host_part(std::move(found.item), host);
    const bool same = !out || (out->item == found.item && out->field == found.field);
    if (found.item.empty() || !same || found.field.find(host) != std::string::npos) {
      return make_error(ErrorCode::kInvalid,
                        "'" + encoding::printable(reference) + "' cannot have a host in it there",
                        "as in bw://domain/{host}, op://Agents/{host}/token");
    }
    out = std::move(found);
  }
  return std::move(*out);
}

}  // namespace

Json time_or_null(std::int64_t wall_ms) {
  return wall_ms == 0 ? Json() : Json(format_utc(wall_ms));
}

std::string_view state_of(const StoreInfo& info) {
  return info.error_ms > info.ok_ms ? "failing" : info.ok_ms == 0 ? "new" : "works";
}

Json store_json(const StoreInfo& info) {
  return {{"name", info.store.name},
          {"kind", info.store.kind},
          {"vault", info.vault},
          {"account", info.store.account},
          {"settings", info.store.settings},
          {"state", state_of(info)},
          {"paired", time_or_null(info.store.paired_ms)},
          {"ok", time_or_null(info.ok_ms)},
          {"failed", time_or_null(info.error_ms)},
          {"error", info.error},
          {"credentials", info.credentials},
          {"mappings", info.mappings},
          {"leases", info.leases}};
}

Json kind_json(const source::Kind& kind) {
  Json settings = Json::array();
  for (const source::Setting& setting : source::settings_of(kind)) {
    settings.push_back({{"name", setting.name},
                        {"help", setting.help},
                        {"secret", setting.secret},
                        {"required", setting.required},
                        {"variable", setting.variable},
                        {"default", setting.fallback}});
  }
  return {{"kind", kind.id},
          {"title", kind.title},
          {"scheme", kind.scheme},
          {"example", kind.example},
          {"finds_by_host", kind.finds_by_host},
          {"settings", settings}};
}

Json mapping_json(const vault::HostMapping& mapping) {
  return {{"host", mapping.service.host},
          {"store", mapping.store},
          {"reference", mapping.reference},
          {"auth", vault::auth_type_name(mapping.service.auth)},
          {"missing_since", time_or_null(mapping.missing_ms)}};
}

Json references_json(const std::string& store, const SourceInfos& sources,
                     const Mappings& mappings) {
  Json out = Json::array();
  for (const auto& source : sources) {
    if (source.store == store) {
      out.push_back({{"credential", source.key},
                     {"reference", source.reference},
                     {"missing_since", time_or_null(source.missing_ms)}});
    }
  }
  for (const vault::HostMapping& mapping : mappings) {
    if (mapping.store == store) {
      out.push_back({{"host", mapping.service.host},
                     {"reference", mapping.reference},
                     {"missing_since", time_or_null(mapping.missing_ms)}});
    }
  }
  return out;
}

Json check_json(const std::string& store, const StoreCheck& check) {
  const auto& failure = check.failure;
  return {{"store", store},
          {"what", check.what},
          {"ok", !failure},
          {"code", failure ? std::string(vault::to_string(failure->why)) : ""},
          {"result", failure ? failure->message : check.words},
          {"hint", failure ? failure->hint : ""}};
}

Json listed_json(const source::Listed& item) {
  return {{"reference", item.reference},
          {"title", item.title},
          {"hosts", item.hosts},
          {"folder", item.folder}};
}

Expected<FoundReference> find_reference(const StoreInfos& stores, std::string_view vault,
                                        const std::string& reference, std::string_view store_name) {
  const std::string_view scheme = source::scheme_of(reference);
  if (scheme.empty()) {
    return usage("'" + encoding::printable(reference) + "' is not a reference",
                 "like op://vault/item/field; see: agent-vault vault store kinds");
  }
  std::vector<const StoreInfo*> able;
  for (const StoreInfo& info : stores) {
    const source::Kind* const kind = source::find_kind(info.store.kind);
    if (kind != nullptr && kind->scheme == scheme &&
        (store_name.empty() || info.store.name == store_name)) {
      able.push_back(&info);
    }
  }
  if (able.empty()) {
    std::string pair_kind = "KIND";
    for (const source::Kind* const kind : source::kinds()) {
      if (kind->scheme == scheme) {
        pair_kind = std::string(kind->id);
        break;
      }
    }
    return make_error(
        ErrorCode::kNotFound,
        "no external store of vault '" + std::string(vault) + "' knows " +
            encoding::printable(scheme) + "://" +
            (store_name.empty() ? "" : " and is called '" + encoding::printable(store_name) + "'"),
        "pair one: agent-vault vault store pair " + pair_kind);
  }
  if (able.size() > 1) {
    return usage("several stores know " + std::string(scheme) + "://",
                 "say which: --store " + able.front()->store.name);
  }
  auto parsed = source::find_kind(able.front()->store.kind)->parse(reference);
  if (!parsed) {
    return error_of(parsed.error(), "'" + encoding::printable(reference) + "'");
  }
  return FoundReference{*able.front(), std::move(parsed->item), std::move(parsed->field)};
}

Expected<StoreInfo> find_by_host(const StoreInfos& stores, std::string_view store_name,
                                 std::string_view host) {
  std::vector<const StoreInfo*> able;
  for (const StoreInfo& info : stores) {
    const source::Kind* const kind = source::find_kind(info.store.kind);
    if (kind != nullptr && kind->finds_by_host &&
        (store_name.empty() || info.store.name == store_name)) {
      able.push_back(&info);
    }
  }
  if (able.empty()) {
    return usage(
        "no paired store can tell by itself what it has for a host",
        "name what it is: agent-vault vault store map " + std::string(host) + " REFERENCE");
  }
  if (able.size() > 1) {
    return usage("several stores can tell what they have for a host", "--store NAME");
  }
  return *able.front();
}

Expected<vault::HostMapping> make_mapping(const StoreInfos& stores, std::string_view vault,
                                          vault::Service service, const std::string& reference,
                                          std::string_view store_name) {
  AV_CHECK(vault::check_mapping(service));
  vault::HostMapping mapping;
  mapping.reference = reference;
  if (reference.empty()) {
    AV_TRY(const StoreInfo info, find_by_host(stores, store_name, service.host));
    mapping.store = info.store.name;
    mapping.ref = {info.store.uid, "", "password"};
  } else {
    const bool any = service.host == vault::kAnyHost;
    if (any && !vault::names_host(reference)) {
      return usage(
          "'*' would send one value to every host that an agent names",
          "put {host} where the host belongs: bw://domain/{host}, op://Agents/{host}/token");
    }
    AV_TRY(FoundReference found, vault::names_host(reference)
                                     ? find_for_hosts(stores, vault, reference, store_name)
                                     : find_reference(stores, vault, reference, store_name));
    mapping.store = found.info.store.name;
    mapping.ref = {found.info.store.uid, std::move(found.item), std::move(found.field)};
  }
  mapping.service = std::move(service);
  return mapping;
}

Error error_of(const source::Failure& failure, std::string_view who) {
  ErrorCode code = ErrorCode::kNetwork;
  switch (failure.why) {
    case Why::kNotFound:
      code = ErrorCode::kNotFound;
      break;
    case Why::kDenied:
    case Why::kRefused:
      code = ErrorCode::kNotPermitted;
      break;
    case Why::kLocked:
      code = ErrorCode::kLocked;
      break;
    case Why::kMalformed:
    case Why::kInvalid:
      code = ErrorCode::kInvalid;
      break;
    case Why::kUnreachable:
    case Why::kTimeout:
    case Why::kBusy:
      break;
  }
  return make_error(code, std::string(who) + ": " + failure.message, failure.hint);
}

proxy::Fault fault_of(const source::Failure& failure, std::string_view who) {
  proxy::Fault out = fault(status_of(failure.why), code_of(failure.why),
                           std::string(who) + ": " + failure.message, failure.hint);
  out.transient =
      failure.why == Why::kBusy || failure.why == Why::kTimeout || failure.why == Why::kUnreachable;
  return out;
}

}  // namespace av::api
