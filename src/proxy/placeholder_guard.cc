#include "proxy/placeholder_guard.h"

#include <algorithm>
#include <optional>
#include <string>

#include "core/ascii.h"
#include "core/encoding.h"
#include "proxy/injected_places.h"
#include "proxy/query.h"

namespace av::proxy {
namespace {

using Entry = vault::PlaceholderIndex::Entry;
using Place = PlaceholderGuard::Place;

constexpr std::size_t kMaxBasic = std::size_t{64} << 10;

// What `Basic` carries (RFC 7617); empty when it is anything else.
std::string basic_credentials(std::string_view field_value) {
  const std::size_t space = field_value.find(' ');
  if (space == std::string_view::npos || !iequals(field_value.substr(0, space), "basic")) {
    return {};
  }
  const std::string_view encoded = ascii::trim(field_value.substr(space));
  if (encoded.size() > kMaxBasic) {
    return {};
  }
  std::string decoded(encoding::base64_decoded_bound(encoded.size()), '\0');
  const auto size = encoding::from_base64(
      encoded, {reinterpret_cast<std::uint8_t*>(decoded.data()), decoded.size()});
  decoded.resize(size.value_or(0));
  return decoded;
}

std::string shown(const Place& place) {
  std::string out(place.text);
  out += place.field.substr(0, 64);
  return out;
}

}  // namespace

PlaceholderGuard::PlaceholderGuard(const vault::AllowedRequest& request,
                                   const vault::PlaceholderIndex* run)
    : service_(request.service()),
      run_(run != nullptr && !run->empty() ? run : nullptr),
      declared_(request.snapshot().placeholders.empty() ? nullptr
                                                        : &request.snapshot().placeholders),
      host_(request.identity().authority.host),
      counts_(service_ == nullptr ? 0 : service_->substitutions.size()) {}

bool PlaceholderGuard::substitutes(vault::Surface surface) const {
  return service_ != nullptr &&
         std::any_of(service_->substitutions.begin(), service_->substitutions.end(),
                     [&](const vault::Substitution& s) { return s.in(surface); });
}

bool PlaceholderGuard::searches(vault::Surface surface) const {
  if (run_ == nullptr && declared_ == nullptr) {
    return false;
  }
  const bool text = surface == vault::Surface::kBody || surface == vault::Surface::kWebSocket;
  return !text || service_ == nullptr || !service_->allow_quoted_placeholders;
}

bool PlaceholderGuard::needs_plain_websocket() const {
  const bool may_pass = service_ != nullptr && service_->allow_uninspected;
  return !may_pass &&
         (searches(vault::Surface::kWebSocket) || substitutes(vault::Surface::kWebSocket));
}

std::size_t PlaceholderGuard::longest() const {
  return std::max(run_ == nullptr ? 0 : run_->longest(),
                  declared_ == nullptr ? 0 : declared_->longest());
}

const Entry* PlaceholderGuard::find(std::string_view text) const {
  for (const vault::PlaceholderIndex* const index : {run_, declared_}) {
    if (index != nullptr) {
      if (const auto match = index->find(text)) {
        return match->entry;
      }
    }
  }
  return nullptr;
}

bool PlaceholderGuard::count(std::size_t substitution) {
  const std::uint32_t limit = service_->substitutions[substitution].max_count;
  std::uint32_t& seen = counts_[substitution];
  if (limit != 0 && seen >= limit) {
    return false;
  }
  seen += limit != 0 ? 1U : 0U;
  return true;
}

Fault PlaceholderGuard::misuse(const Entry& entry, const Place& place) const {
  const std::string& key = entry.keys.front();
  Fault fault;
  fault.status = 403;
  fault.code = "placeholder_misuse";
  fault.detail = "placeholder of " + key + " in " + shown(place);
  fault.message =
      "the placeholder of " + key + " stands in " + shown(place) + " of a request to " + host_;
  if (belongs(entry)) {
    fault.message += ", where the service " + service_->name + " does not take it";
    fault.help =
        "the service puts the credential in by itself, or where its substitutions say; see: "
        "agent-vault vault service show " +
        service_->name;
  } else {
    fault.message += ", which does not get that credential";
    fault.help =
        "leave it out: it is worth nothing there. Which hosts get the credential is shown by: "
        "agent-vault vault service list";
  }
  return fault;
}

Fault PlaceholderGuard::too_many(std::size_t substitution) const {
  const vault::Substitution& s = service_->substitutions[substitution];
  Fault fault;
  fault.status = 403;
  fault.code = "placeholder_misuse";
  fault.detail =
      "placeholder of " + s.credential_key + " more than " + std::to_string(s.max_count) + " times";
  fault.message = "the placeholder of " + s.credential_key + " appears more than " +
                  std::to_string(s.max_count) + " times in one request";
  fault.help = "the limit is max_count of the service " + service_->name +
               "; see: agent-vault vault service show " + service_->name;
  return fault;
}

bool PlaceholderGuard::belongs(const Entry& entry) const {
  return service_ != nullptr &&
         std::any_of(entry.keys.begin(), entry.keys.end(),
                     [&](const std::string& key) { return service_->uses(key); });
}

// Whether Injector puts a value of its own there.
bool PlaceholderGuard::is_filled(std::string_view field_name) const {
  if (service_ == nullptr) {
    return false;
  }
  bool filled = false;
  for_each_injected_field(service_->auth, [&](std::string_view name, const auto& /*source*/) {
    filled = filled || same_variable(field_name, name);
  });
  return filled;
}

// Text that a value of the service's takes the place of: its own placeholders are at home here.
Outcome<void> PlaceholderGuard::check_slot(std::string_view text, const Place& place) const {
  for (const vault::PlaceholderIndex* const index : {run_, declared_}) {
    std::string_view rest = text;
    while (index != nullptr) {
      const auto match = index->find(rest);
      if (!match) {
        break;
      }
      if (!belongs(*match->entry)) {
        return misuse(*match->entry, place);
      }
      rest.remove_prefix(match->at + match->entry->text.size());
    }
  }
  return {};
}

// The service's own substitutions, as Injector replaces them, and the text between.
Outcome<void> PlaceholderGuard::check_text(std::string_view text, vault::Surface surface,
                                           const Place& place) {
  for (;;) {
    const auto own =
        service_ == nullptr ? std::nullopt : service_->find_substitution(text, surface);
    if (const Entry* const entry = find(own ? text.substr(0, own->at) : text)) {
      return misuse(*entry, place);
    }
    if (!own) {
      return {};
    }
    if (!count(own->index)) {
      return too_many(own->index);
    }
    text.remove_prefix(own->at + service_->substitutions[own->index].placeholder.size());
  }
}

Outcome<void> PlaceholderGuard::check_target(const vault::Target& target) {
  AV_CHECK(check_text(target.path, vault::Surface::kPath, {"the path"}));
  const vault::ApiKeyAuth* const api_key = injected_parameter(service_);
  if (api_key == nullptr) {
    return check_text(target.query, vault::Surface::kQuery, {"the query"});
  }
  // The parameter that the service fills is taken out of what the client sends.
  for (std::string_view query = target.query; !query.empty();) {
    const std::string_view pair = next_parameter(query);
    if (names_parameter(pair, api_key->query)) {
      AV_CHECK(check_slot(pair, {"the query"}));
    } else {
      AV_CHECK(check_text(pair, vault::Surface::kQuery, {"the query"}));
    }
  }
  return {};
}

Outcome<void> PlaceholderGuard::check_field(const Field& field) {
  if (const Entry* const entry = find(field.name)) {
    return misuse(*entry, {"the name of a field"});
  }
  const Place place{"the field ", field.name};
  const std::string decoded = basic_credentials(field.value);
  if (is_filled(field.name)) {
    AV_CHECK(check_slot(field.value, place));
    return check_slot(decoded, place);
  }
  if (const Entry* const entry = find(decoded)) {
    return misuse(*entry, place);
  }
  return check_text(field.value, vault::Surface::kHeader, place);
}

Outcome<void> PlaceholderGuard::check_head(const vault::Target& target, const RequestHead& head) {
  if (run_ == nullptr && declared_ == nullptr && counts_.empty()) {
    return {};
  }
  AV_CHECK(check_target(target));
  for (const Field& field : head.fields) {
    AV_CHECK(check_field(field));
  }
  return {};
}

Outcome<void> PlaceholderGuard::check_trailers(std::span<const Field> trailers) const {
  for (const Field& field : trailers) {
    for (const std::string_view text : {field.name, field.value}) {
      if (const Entry* const entry = find(text)) {
        return misuse(*entry, {"the trailers"});
      }
    }
  }
  return {};
}

}  // namespace av::proxy
