#include "source/fetch_table.h"

#include <algorithm>
#include <utility>

#include "core/crypto.h"
#include "source/keyed_hash.h"

namespace av::source {
namespace {

using Why = Failure::Why;

// What a failure says of the store as a whole. Not that it cannot be reached or is slow: an item of
// it may stand for something that is, and to ask for each item once a minute is not much.
enum class Tells { kOfTheItem, kOfTheStore, kOfTheStoreIfOthersSaySo };
// nullopt: that it works, but has not got the item, or not for us.
std::optional<Tells> tells(Why why) {
  switch (why) {
    case Why::kLocked:  // and a person may be asked to unlock it, each time
      return Tells::kOfTheStore;
    case Why::kBusy:  // a limit may be that of a path
      return Tells::kOfTheStoreIfOthersSaySo;
    case Why::kUnreachable:
    case Why::kTimeout:
    case Why::kRefused:
      return Tells::kOfTheItem;
    case Why::kNotFound:
    case Why::kDenied:
    case Why::kMalformed:
    case Why::kInvalid:
      break;
  }
  return std::nullopt;
}

// For how long that is believed. A store says for itself when it wants to be asked again, within
// limits: what it says could come of a mistake.
std::int64_t rest_of(const Failure& failure) {
  switch (failure.why) {
    case Why::kNotFound:
    case Why::kDenied:
    case Why::kMalformed:
    case Why::kInvalid:
      return kKeepMissingMs;
    case Why::kUnreachable:
    case Why::kTimeout:
    case Why::kBusy:
    case Why::kLocked:
    case Why::kRefused:
      break;
  }
  return failure.retry_ms > 0 ? std::min(failure.retry_ms, kCooldownMs) : kCooldownMs;
}

// A lease is used for as long as it lives, less what a request may take.
std::int64_t life_of(const Lease& lease) {
  return std::max(lease.life_ms - std::min<std::int64_t>(lease.life_ms / 10, 10'000), kKeepLeastMs);
}

}  // namespace

FetchTable::FetchTable() {
  if (auto key = crypto::random_secret(32)) {
    key_ = std::move(*key);
  }
}

// Empty when there is no memory for it: then it is like no other.
Secret FetchTable::digest_of(const Record& record) const {
  SecretBuffer text;
  for (const auto& [field, value] : record.fields) {
    text.append(std::to_string(field.size()) + " " + std::to_string(value.size()) + "\n" + field);
    text.append(value);
  }
  auto hash = hmac(HashKind::kSha256, key_, text.view());
  return hash && !key_.empty() ? std::move(*hash) : Secret();
}

FetchTable::Item& FetchTable::item_named(const ItemName& name) {
  if (items_.size() >= kMostItems && !items_.contains(name)) {
    const auto older = [](const auto& a, const auto& b) {
      const bool a_leased = a.second.record != nullptr && a.second.record->lease;
      const bool b_leased = b.second.record != nullptr && b.second.record->lease;
      return a_leased != b_leased ? b_leased : a.second.used_ms < b.second.used_ms;
    };
    const auto oldest = std::min_element(items_.begin(), items_.end(), older);
    if (oldest->second.record == nullptr || !oldest->second.record->lease) {
      items_.erase(oldest);
    }
  }
  return items_[name];
}

FetchTable::Look FetchTable::look(const ItemName& name, std::int64_t now_ms) {
  const auto found = items_.find(name);
  if (found != items_.end()) {
    Item& item = found->second;
    item.used_ms = now_ms;
    if (item.record != nullptr && now_ms < item.record->until_ms) {
      return item.record;
    }
    if (item.missing && now_ms < item.missing_until_ms) {
      Failure out = *item.missing;
      out.retry_ms = item.missing_until_ms - now_ms;
      return out;
    }
  }
  const auto cooling = cooldowns_.find(name.store_uid);
  if (cooling != cooldowns_.end() && cooling->second.item.empty() &&
      now_ms < cooling->second.until_ms) {
    Failure out = cooling->second.failure;
    out.retry_ms = cooling->second.until_ms - now_ms;
    return out;
  }
  return Ask{};
}

std::optional<Lease> FetchTable::found(const ItemName& name, Record record, std::int64_t now_ms) {
  Secret digest = digest_of(record);
  auto kept = std::make_shared<KeptRecord>();
  for (auto& [field, value] : record.fields) {
    kept->fields.emplace(field, std::make_shared<const Secret>(std::move(value)));
  }
  kept->lease = record.lease;
  kept->until_ms = now_ms + (record.lease ? life_of(*record.lease)
                                          : std::clamp(record.keep_ms, kKeepLeastMs, kKeepFoundMs));
  Item& item = item_named(name);
  if (item.version == 0 || digest.empty() || !item.digest.equals(digest)) {
    item.version = ++last_version_;
    item.digest = std::move(digest);
  }
  kept->version = item.version;
  std::optional<Lease> replaced;
  if (item.record != nullptr && item.record->lease &&
      (!record.lease || record.lease->id != item.record->lease->id)) {
    replaced = item.record->lease;
  }
  item.renew_ms =
      record.lease && record.lease->renewable ? now_ms + record.lease->life_ms * 2 / 3 : 0;
  item.used_ms = std::max(item.used_ms, now_ms);
  item.record = std::move(kept);
  item.missing.reset();
  cooldowns_.erase(name.store_uid);
  return replaced;
}

std::shared_ptr<const KeptRecord> FetchTable::record_of(const ItemName& name) const {
  const auto found = items_.find(name);
  return found == items_.end() ? nullptr : found->second.record;
}

bool FetchTable::has_answered(const ItemName& name) const {
  const auto found = items_.find(name);
  return found != items_.end() && found->second.version != 0;
}

void FetchTable::failed(const ItemName& name, const Failure& failure, std::int64_t now_ms) {
  const std::int64_t until_ms = now_ms + rest_of(failure);
  if (const auto of = tells(failure.why)) {
    const auto before = cooldowns_.find(name.store_uid);
    const bool known = before != cooldowns_.end() && now_ms < before->second.until_ms;
    const bool again =
        known && before->second.failure.why == failure.why && before->second.item != name.item;
    const bool all = *of == Tells::kOfTheStore || (*of == Tells::kOfTheStoreIfOthersSaySo && again);
    if (all || !known || !before->second.item.empty()) {
      cooldowns_[name.store_uid] = Cooldown{failure, until_ms, all ? std::string() : name.item};
    }
    if (all) {
      return;
    }
  }
  Item& item = item_named(name);
  item.used_ms = std::max(item.used_ms, now_ms);
  item.missing = failure;
  item.missing_until_ms = until_ms;
}

std::vector<FetchTable::Due> FetchTable::due(std::int64_t now_ms) {
  std::vector<Due> out;
  for (auto& [name, item] : items_) {
    if (item.renew_ms != 0 && now_ms >= item.renew_ms && now_ms - item.used_ms < kIdleMs) {
      item.renew_ms = 0;
      out.push_back({name, *item.record->lease});
    }
  }
  return out;
}

std::optional<std::int64_t> FetchTable::next_due() const {
  std::optional<std::int64_t> first;
  for (const auto& [name, item] : items_) {
    if (item.renew_ms != 0 && (!first || item.renew_ms < *first)) {
      first = item.renew_ms;
    }
  }
  return first;
}

void FetchTable::renewed(const ItemName& name, const Lease& lease, std::int64_t now_ms) {
  const auto found = items_.find(name);
  if (found == items_.end() || found->second.record == nullptr || !found->second.record->lease ||
      found->second.record->lease->id != lease.id) {
    return;
  }
  Item& item = found->second;
  auto kept = std::make_shared<KeptRecord>(*item.record);
  kept->lease = lease;
  kept->until_ms = now_ms + life_of(lease);
  item.record = std::move(kept);
  // Near its longest life a renewal gives little or nothing: then the next one is a new lease.
  item.renew_ms = lease.renewable && lease.life_ms > 1'000 ? now_ms + lease.life_ms * 2 / 3 : 0;
}

void FetchTable::not_renewed(const ItemName& name) {
  const auto found = items_.find(name);
  if (found != items_.end()) {
    found->second.renew_ms = 0;
  }
}

std::vector<FetchTable::Due> FetchTable::leases(std::string_view store_uid) const {
  std::vector<Due> out;
  for (const auto& [name, item] : items_) {
    if (item.record != nullptr && item.record->lease &&
        (store_uid.empty() || name.store_uid == store_uid)) {
      out.push_back({name, *item.record->lease});
    }
  }
  return out;
}

std::int64_t FetchTable::rests_ms(std::string_view store_uid, std::int64_t now_ms) const {
  const auto found = cooldowns_.find(store_uid);
  return found == cooldowns_.end() ? 0 : std::max<std::int64_t>(0, found->second.until_ms - now_ms);
}

void FetchTable::forget_store(std::string_view store_uid) {
  std::erase_if(items_, [&](const auto& item) { return item.first.store_uid == store_uid; });
  if (const auto found = cooldowns_.find(store_uid); found != cooldowns_.end()) {
    cooldowns_.erase(found);
  }
}

std::vector<FetchTable::Due> FetchTable::sweep(std::int64_t now_ms) {
  std::vector<Due> out;
  for (auto entry = items_.begin(); entry != items_.end();) {
    Item& item = entry->second;
    const bool idle = now_ms - item.used_ms >= kIdleMs;
    if (item.record != nullptr && (idle || now_ms >= item.record->until_ms)) {
      if (item.record->lease) {
        out.push_back({entry->first, *item.record->lease});
      }
      item.record.reset();
      item.renew_ms = 0;
    }
    if (item.missing && now_ms >= item.missing_until_ms) {
      item.missing.reset();
    }
    const bool empty = item.record == nullptr && !item.missing && (idle || item.version == 0);
    entry = empty ? items_.erase(entry) : std::next(entry);
  }
  std::erase_if(cooldowns_, [&](const auto& entry) { return now_ms >= entry.second.until_ms; });
  return out;
}

}  // namespace av::source
