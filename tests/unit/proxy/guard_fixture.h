#pragma once
// A vault with given services and values, a run's placeholders, and the way of a request to its
// guard and its opened credentials.

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/credential_resolver.h"
#include "proxy/http1_parser.h"
#include "proxy/injector.h"
#include "proxy/placeholder_guard.h"

namespace av::test {

class GuardFixture {
 public:
  GuardFixture() : ring_(std::make_shared<vault::KeyRing>(*vault::KeyRing::generate())) {}

  void credential(const std::string& key, std::string_view value) {
    auto sealed = ring_->seal(vault::SealContext{"uid", "credential", key, 1}, value);
    REQUIRE(sealed);
    credentials_[key] = vault::SealedCredential{key, 1, *sealed, {}};
  }
  // The child holds `text` instead of the credential.
  void run_placeholder(const std::string& key, const std::string& text) {
    run_list_.emplace_back(text, key);
    run_ = vault::PlaceholderIndex(run_list_);
  }

  std::vector<vault::Service> services;

  struct Request {
    proxy::RequestHead head;
    vault::Target target;
    std::unique_ptr<proxy::PlaceholderGuard> guard;
    proxy::ResolvedPtr values;
    std::string fault;   // code, when the head was refused
    std::string detail;  // of the fault
    std::string rendered;
  };

  // Policy, guard, resolve, inject, as an exchange does it.
  std::unique_ptr<Request> request(const std::string& head_text, const std::string& host,
                                   const proxy::InjectOptions& options = {}) {
    auto out = std::make_unique<Request>();
    REQUIRE_FALSE(proxy::parse_request_head(head_text, out->head));
    REQUIRE_FALSE(proxy::check_request_head(out->head));
    auto snapshot = std::make_shared<vault::PolicySnapshot>();
    snapshot->vault_uid = "uid";
    snapshot->vault_name = "default";
    snapshot->credentials = credentials_;
    snapshot->set_services(services);
    snapshot->generation = ++generation_;
    snapshots_.push_back(snapshot);
    vault::RequestIdentity identity;
    identity.scheme = vault::Scheme::kHttps;
    identity.authority = {host, 443};
    identity.method = std::string(out->head.method);
    identity.target = *vault::canonical_target(out->head.target);
    out->target = identity.target;
    const vault::Principal nobody;
    vault::PolicyInput input;
    input.snapshot = snapshot;
    input.principal = &nobody;
    auto decision = vault::Policy::decide(input, identity);
    REQUIRE(std::holds_alternative<vault::AllowedRequest>(decision));
    auto allowed = std::get<vault::AllowedRequest>(std::move(decision));
    out->guard = std::make_unique<proxy::PlaceholderGuard>(allowed, &run_);
    const auto checked = out->guard->check_head(out->target, out->head);
    if (!checked) {
      out->fault = checked.error().code;
      out->detail = checked.error().detail;
      return out;
    }
    auto resolved = resolver_.resolve(allowed, *ring_, {1, 0});
    REQUIRE(resolved);
    out->values = *resolved;
    auto request = proxy::Injector::inject(std::move(allowed), *resolved, out->head, options);
    REQUIRE(request);
    SecretBuffer text;
    proxy::append_http1_head(text, *request);
    out->rendered = std::string(text.view());
    return out;
  }

 private:
  std::shared_ptr<vault::KeyRing> ring_;
  std::map<std::string, vault::SealedCredential, std::less<>> credentials_;
  std::vector<std::pair<std::string, std::string>> run_list_;
  vault::PlaceholderIndex run_;
  std::vector<vault::SnapshotPtr> snapshots_;  // guards point into them
  proxy::CredentialResolver resolver_;
  std::uint64_t generation_ = 0;
};

inline vault::Service service_of(std::string name, std::string host, vault::AuthScheme auth) {
  vault::Service service;
  service.name = std::move(name);
  service.host = std::move(host);
  service.auth = std::move(auth);
  return service;
}

inline vault::Substitution substitution_of(std::string key, std::string placeholder,
                                           std::initializer_list<vault::Surface> surfaces,
                                           std::uint32_t max_count = 0) {
  vault::Substitution out;
  out.credential_key = std::move(key);
  out.placeholder = std::move(placeholder);
  out.surfaces = 0;
  for (const vault::Surface surface : surfaces) {
    out.surfaces = static_cast<std::uint8_t>(out.surfaces | static_cast<std::uint8_t>(surface));
  }
  out.max_count = max_count;
  return out;
}

}  // namespace av::test
