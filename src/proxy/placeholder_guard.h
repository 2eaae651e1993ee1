#pragma once
// PlaceholderGuard: what placeholders may do in one request. A placeholder is worthless, but one
// that turns up where it does not belong says that something goes wrong: it is refused, and it is
// an alarm on the audit log. Belongs to its exchange; whatever looks at the body or at WebSocket
// messages shares it, because occurrences are counted over the whole request.
//
// The rules:
// - A placeholder that the matched service declares as a substitution in a surface may stand there,
//   up to its max_count in all surfaces together.
// - In a place that the service fills (its Authorization, say) a placeholder of one of its own
//   credentials may stand: tools put it there, and it is replaced. Basic authentication is looked
//   into.
// - Everywhere else, and for hosts without a service, every placeholder of the run and of the
//   vault's services is refused: in head, body, trailers and WebSocket messages. Bodies and
//   messages of a service with allow_quoted_placeholders are not searched.
// Text is searched as it stands: placeholders are made of characters that neither URLs nor JSON
// escape, and who escapes one on purpose gains nothing by it.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/fault.h"
#include "proxy/head.h"
#include "vault/placeholder_index.h"
#include "vault/policy.h"

namespace av::proxy {

class PlaceholderGuard {
 public:
  // `run`: what the child was given; null when nothing was. It and the snapshot of `request` must
  // outlive the guard, `request` itself need not.
  PlaceholderGuard(const vault::AllowedRequest& request, const vault::PlaceholderIndex* run);

  // Everything of the head that goes upstream; `target` is the canonical one. Call it before a
  // credential is opened.
  [[nodiscard]] Outcome<void> check_head(const vault::Target& target, const RequestHead& head);
  [[nodiscard]] Outcome<void> check_trailers(std::span<const Field> trailers) const;

  // Null: no service matched.
  [[nodiscard]] const vault::Service* service() const { return service_; }
  // Whether the service declares a substitution there.
  [[nodiscard]] bool substitutes(vault::Surface surface) const;
  // Whether any placeholder would be refused there.
  [[nodiscard]] bool searches(vault::Surface surface) const;
  // Sec-WebSocket-Extensions must not be offered: compressed messages could not be looked into.
  [[nodiscard]] bool needs_plain_websocket() const;

  // For the searches of streams. The first placeholder in text that holds none that the service
  // declares for it; null: none.
  [[nodiscard]] const vault::PlaceholderIndex::Entry* find(std::string_view text) const;
  // How long a placeholder can be.
  [[nodiscard]] std::size_t longest() const;
  // One more occurrence of the service's substitution of that index; false: too many.
  [[nodiscard]] bool count(std::size_t substitution);
  using Counts = std::vector<std::uint32_t>;
  [[nodiscard]] const Counts& counts() const { return counts_; }
  void restore(Counts counts) { counts_ = std::move(counts); }

  // "the path", "a WebSocket message"; "the field " and its name.
  struct Place {
    std::string_view text;
    std::string_view field = {};
  };
  [[nodiscard]] Fault misuse(const vault::PlaceholderIndex::Entry& entry, const Place& place) const;
  [[nodiscard]] Fault too_many(std::size_t substitution) const;

 private:
  [[nodiscard]] Outcome<void> check_target(const vault::Target& target);
  [[nodiscard]] Outcome<void> check_field(const Field& field);
  [[nodiscard]] Outcome<void> check_text(std::string_view text, vault::Surface surface,
                                         const Place& place);
  [[nodiscard]] Outcome<void> check_slot(std::string_view text, const Place& place) const;
  [[nodiscard]] bool is_filled(std::string_view field_name) const;
  [[nodiscard]] bool belongs(const vault::PlaceholderIndex::Entry& entry) const;

  const vault::Service* service_;
  const vault::PlaceholderIndex* run_;
  const vault::PlaceholderIndex* declared_;
  std::string host_;
  Counts counts_;  // of the service's substitutions
};

}  // namespace av::proxy
