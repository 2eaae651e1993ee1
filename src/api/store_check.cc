#include "api/store_check.h"

#include "vault/host_reference.h"

namespace av::api {
namespace {

using Why = source::Failure::Why;

StoreCheck check_reference(source::Provider& provider, const StoreReference& reference) {
  StoreCheck check{reference.what, std::nullopt, "is there", reference.ref};
  const auto record = provider.fetch(reference.ref.item);
  if (!record) {
    check.failure = record.error();
    return check;
  }
  if (const auto field = source::field_of(*record, reference.ref.field); !field) {
    check.failure = field.error();
  }
  // A lease that was made to look is given back.
  if (record->lease) {
    (void)provider.revoke(*record->lease);
  }
  return check;
}

}  // namespace

std::vector<StoreReference> references_of(
    const std::string& store_uid, const std::vector<store::ExternalStores::SourceInfo>& sources,
    const std::vector<vault::HostMapping>& mappings) {
  std::vector<StoreReference> out;
  const auto add = [&](const std::string& what, const vault::SourceRef& ref) {
    if (ref.store_uid == store_uid && !vault::depends_on_host(ref.item)) {
      out.push_back({what, ref});
    }
  };
  for (const auto& source : sources) {
    add(source.key, source.ref);
  }
  for (const vault::HostMapping& mapping : mappings) {
    add(mapping.service.host, mapping.ref);
  }
  return out;
}

std::vector<StoreCheck> check_store(source::Provider& provider,
                                    const std::vector<StoreReference>& references,
                                    const Clock& clock, Millis most) {
  const auto end = clock.steady() + most;
  std::vector<StoreCheck> out;
  const auto about = provider.test();
  StoreCheck works{"works", std::nullopt, "", std::nullopt};
  if (!about) {
    works.failure = about.error();
  } else {
    works.words = about->account + (about->detail.empty() ? "" : ", " + about->detail);
  }
  out.push_back(std::move(works));
  if (!about) {
    return out;
  }
  for (const StoreReference& reference : references) {
    if (clock.steady() < end) {
      out.push_back(check_reference(provider, reference));
    } else {
      // Without its place: nothing is known of it.
      out.push_back({reference.what,
                     source::failure(Why::kTimeout, "not looked at: the store takes too long"), "",
                     std::nullopt});
    }
  }
  return out;
}

void note_checks(store::ExternalStores& store, const std::string& store_uid,
                 const std::vector<StoreCheck>& checks) {
  for (const StoreCheck& check : checks) {
    if (!check.ref) {
      if (&check == checks.data()) {
        (void)store.note_store(store_uid, check.failure ? check.failure->message : "");
      }
      continue;
    }
    (void)store.note_missing(*check.ref, {}, check.failure && check.failure->why == Why::kNotFound);
  }
}

}  // namespace av::api
