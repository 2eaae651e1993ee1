#include <algorithm>

#include "core/clock.h"
#include "core/crypto.h"
#include "core/encoding.h"
#include "core/overloaded.h"
#include "vault/approval_preview.h"
#include "vault/proposal_codec.h"
#include "vault/proposal_plan.h"
#include "vault/service_codec.h"
#include "vault/service_cover.h"
#include "vault/text_tree.h"
#include "vault/tree_writer.h"

namespace av::vault {
namespace {

using Kind = DiffLine::Kind;
using Words = std::vector<std::string>;

std::string joined(const Words& words) {
  std::string out;
  for (const std::string& word : words) {
    out += (out.empty() ? "" : ", ") + word;
  }
  return out;
}

// Literal text of a template could be a key.
std::string masked_template(const CustomAuth::Header& header) {
  std::string out;
  for (const TemplatePiece& piece : header.pieces) {
    out += piece.credential_key.empty() ? preview_of_line(piece.text)
                                        : "{{ " + piece.credential_key + " }}";
  }
  return out;
}

std::string authentication(const AuthScheme& auth) {
  return std::visit(
      Overloaded{
          [](const BearerAuth& a) { return "with " + a.token_key + " as bearer token"; },
          [](const BasicAuth& a) {
            return "with basic authentication, user " +
                   (a.username_key.empty() ? preview_of_line(a.username_literal) : a.username_key) +
                   (a.password_key.empty() ? std::string() : ", password " + a.password_key);
          },
          [](const ApiKeyAuth& a) {
            return a.query.empty()
                       ? "with " + a.key + " in the header " + a.header +
                             (a.prefix.empty() ? "" : " behind " + preview_of_line(a.prefix))
                       : "with " + a.key + " in the query parameter " + a.query;
          },
          [](const CustomAuth& a) {
            Words names;
            for (const CustomAuth::Header& header : a.headers) {
              names.push_back(header.name);
            }
            return "with credentials in the headers " + joined(names);
          },
          [](const PassthroughAuth&) {
            return std::string("without a credential; the agent's own authentication passes");
          }},
      auth);
}

std::string places(const Substitution& substitution) {
  Words out;
  for (const Surface surface : kSurfaces) {
    if (substitution.in(surface)) {
      out.emplace_back(to_string(surface));
    }
  }
  return joined(out);
}

// What a service lets the agent do, one thing a line. Two services that do the same have the same
// lines.
Words powers_of(const Service& service) {
  Words out;
  if (!service.enabled) {
    out.push_back("nothing: the service is switched off, its requests are refused");
    return out;
  }
  const std::string where = std::string(service.allow_http ? "http(s)://" : "https://") +
                            service.host +
                            (service.port == 0 ? "" : ":" + std::to_string(service.port)) +
                            (service.path.empty() ? "/*" : service.path);
  const std::string how = " " + authentication(service.auth);
  if (service.methods.empty()) {
    out.push_back("any method " + where + how);
  }
  for (const std::string& method : service.methods) {
    out.push_back(method + " " + where + how);
  }
  if (const auto* custom = std::get_if<CustomAuth>(&service.auth)) {
    for (const CustomAuth::Header& header : custom->headers) {
      out.push_back("header " + header.name + ": " + masked_template(header));
    }
  }
  for (const Substitution& one : service.substitutions) {
    out.push_back("puts " + one.credential_key + " in the place of " + one.placeholder +
                  " (in: " + places(one) + ")");
  }
  for (const auto& [variable, key] : service.env) {
    out.push_back("the variable " + variable + " holds a placeholder of " + key);
  }
  if (!service.tls.certificate_key.empty()) {
    out.push_back("shows the client certificate " + service.tls.certificate_key);
  }
  if (!service.tls.ca_pem.empty()) {
    out.push_back("trusts certificates under roots of its own");
  }
  if (service.allow_uninspected) {
    out.push_back("responses that cannot be searched for the credential pass");
  }
  if (service.allow_quoted_placeholders) {
    out.push_back("requests may quote placeholders");
  }
  if (service.drop_cookies) {
    out.push_back("cookies of the server are kept from the agent");
  }
  if (service.expires_ms != 0) {
    out.push_back("until " + format_utc(service.expires_ms));
  }
  if (service.max_uses != 0) {
    out.push_back(std::to_string(service.max_uses) + " requests in all");
  }
  return out;
}

class Account {
 public:
  Account(const ProposalRequest& request, const ProposalPlan& plan, const VaultState& state)
      : request_(request), plan_(plan), state_(state) {}

  std::vector<DiffLine> take() {
    for (const ServiceChange& change : plan_.services) {
      tell(change);
    }
    for (const CredentialChange& change : plan_.credentials) {
      tell(change);
    }
    if (state_.agent_gone) {
      add(Kind::kWarn, "the agent that asks for this has been revoked or deleted");
    }
    return std::move(lines_);
  }

 private:
  void add(Kind kind, const std::string& text) {
    constexpr std::size_t kMost = 2000;
    std::string shown = encoding::printable(text);
    if (shown.size() > kMost) {
      // Nothing that is cut may hide how it goes on.
      shown = encoding::printable(shown.substr(0, kMost - 60)) + "... and " +
              std::to_string(shown.size() - (kMost - 60)) + " more bytes that are NOT shown";
    }
    lines_.push_back({kind, std::move(shown)});
  }

  void tell(const ServiceChange& change) {
    const std::string& name = change.after ? change.after->name : change.before->name;
    add(Kind::kSame, "service " + name + ": " +
                         (!change.before  ? "new"
                          : !change.after ? "removed"
                                          : "changed"));
    const Words before = change.before ? powers_of(*change.before) : Words();
    const Words after = change.after ? powers_of(*change.after) : Words();
    const auto has = [](const Words& words, const std::string& word) {
      return std::find(words.begin(), words.end(), word) != words.end();
    };
    for (const std::string& power : before) {
      if (!has(after, power)) {
        add(Kind::kRemove, power);
      }
    }
    for (const std::string& power : after) {
      add(has(before, power) ? Kind::kSame : Kind::kAdd, power);
    }
    if (change.before && change.after) {
      warn_of_replacement(*change.before, *change.after);
    }
    if (change.after) {
      warn_of(*change.after, change.before ? &*change.before : nullptr);
    } else {
      add(Kind::kWarn, "afterwards such requests " + elsewhere(*change.before));
    }
  }

  // What happens to the requests of a service that is not there.
  [[nodiscard]] std::string elsewhere(const Service& service) const {
    const Service* const other = other_for(service);
    if (other != nullptr) {
      return "go to the service " + other->name + " (" + joined(other->credential_keys()) + ")";
    }
    return state_.unmatched == UnmatchedPolicy::kDeny ? "are refused"
                                                      : "pass without a credential of the vault";
  }

  // Another that covers all of it.
  [[nodiscard]] const Service* other_for(const Service& service) const {
    const auto it =
        std::find_if(state_.services.begin(), state_.services.end(), [&](const Service& other) {
          return other.name != service.name && other.enabled && reaches_no_further(service, other);
        });
    return it == state_.services.end() ? nullptr : &*it;
  }

  void warn_of_replacement(const Service& before, const Service& after) {
    if (before.matcher_text() != after.matcher_text()) {
      add(Kind::kWarn,
          "replaces the service " + before.name + ", which is for " + before.matcher_text());
    }
    if (after.expires_ms != 0 && before.expires_ms == 0) {
      add(Kind::kWarn, "when its time is over, the service as it is now does not come back");
    }
  }

  void warn_of(const Service& after, const Service* before) {
    if (before == nullptr) {
      const Service* const other = other_for(after);
      add(other == nullptr ? Kind::kRemove : Kind::kWarn,
          "so far such requests " + elsewhere(after));
    }
    if (after.host.starts_with("*.")) {
      add(Kind::kWarn, "covers every name directly below " + after.host.substr(2));
    }
    if (after.allow_http && (before == nullptr || !before->allow_http)) {
      add(Kind::kWarn, "the credential may go over cleartext http://, where others can read it");
    }
    if (after.allow_uninspected && (before == nullptr || !before->allow_uninspected)) {
      add(Kind::kWarn, "a response could carry the credential back to the agent");
    }
    for (const std::string& key : after.credential_keys()) {
      warn_of_new_place(key, after);
    }
    if (state_.agent && !in_scope(*state_.agent, after)) {
      add(Kind::kWarn, "the agent " + state_.agent->name +
                           " may not use it: its scope lacks the service or a credential");
    }
  }

  // The way in which a proposal steals: a stored value for a host of the agent's choice.
  void warn_of_new_place(const std::string& key, const Service& after) {
    if (state_.credentials.count(key) == 0 || request_.slot(key) != nullptr) {
      return;
    }
    const bool known =
        std::any_of(state_.services.begin(), state_.services.end(), [&](const Service& other) {
          return other.host == after.host && other.port == after.port && other.uses(key);
        });
    if (!known) {
      add(Kind::kWarn, "sends " + key + ", which is stored already, to " + after.host +
                           ", where it has not gone so far");
    }
  }

  // Those that will be there and use it.
  [[nodiscard]] Words users_of(const std::string& key) const {
    Words out;
    for (const Service& service : state_.services) {
      const bool changed = std::any_of(
          plan_.services.begin(), plan_.services.end(),
          [&](const ServiceChange& c) { return c.before && c.before->name == service.name; });
      if (!changed && service.uses(key)) {
        out.push_back(service.name);
      }
    }
    for (const ServiceChange& change : plan_.services) {
      if (change.before && change.after && change.after->uses(key)) {
        out.push_back(change.after->name);
      }
    }
    return out;
  }

  void tell(const CredentialChange& change) {
    const Words users = users_of(change.key);
    if (change.remove) {
      add(Kind::kRemove, "credential " + change.key + ": deleted, with its history");
      if (!users.empty()) {
        add(Kind::kWarn, "deletes " + change.key + ", which these services use: " + joined(users) +
                             "; their requests will fail");
      }
      return;
    }
    const std::string source = change.has_value
                                   ? "the value comes from the agent, which knows it"
                                   : "the value comes from you; the agent does not get it";
    add(Kind::kAdd, "credential " + change.key + ": " + (change.before == 0 ? "new" : "replaced") +
                        "; " + source);
    if (change.before != 0) {
      add(Kind::kWarn,
          "replaces the value of " + change.key +
              (users.empty() ? std::string() : ", which these services use: " + joined(users)));
    }
  }

  const ProposalRequest& request_;
  const ProposalPlan& plan_;
  const VaultState& state_;
  std::vector<DiffLine> lines_;
};

}  // namespace

std::string_view to_string(DiffLine::Kind kind) {
  switch (kind) {
    case Kind::kAdd:
      return "add";
    case Kind::kRemove:
      return "remove";
    case Kind::kSame:
      return "same";
    case Kind::kWarn:
      return "warn";
  }
  return "same";
}

std::vector<DiffLine> diff_of(const ProposalRequest& request, const ProposalPlan& plan,
                              const VaultState& state) {
  return Account(request, plan, state).take();
}

std::string fingerprint_of(const Proposal& proposal, const ProposalPlan& plan,
                           const VaultState& state) {
  // No part has a line feed in it, but the request, which does not change.
  std::string text = proposal.uid + '\n' + std::to_string(proposal.number) + '\n';
  for (const ServiceChange& change : plan.services) {
    text += (change.before ? service_to_json(*change.before) : "-") + '\n';
    text += (change.after ? service_to_json(*change.after) : "-") + '\n';
  }
  for (const CredentialChange& change : plan.credentials) {
    text += change.key + ' ' + std::to_string(change.before) + '\n';
  }
  for (const DiffLine& line : diff_of(proposal.request, plan, state)) {
    text += std::string(to_string(line.kind)) + ' ' + line.text + '\n';
  }
  text += proposal_request_to_json(proposal.request);
  return encoding::hex(crypto::sha256(text));
}

std::string diff_to_json(const ProposalDiff& diff) {
  TextTree::Json out = {{"lines", TextTree::Json::array()},
                        {"needed", diff.needed},
                        {"fingerprint", diff.fingerprint}};
  for (const DiffLine& line : diff.lines) {
    out["lines"].push_back({{"kind", to_string(line.kind)}, {"text", line.text}});
  }
  return dump_json(out, false);
}

}  // namespace av::vault
