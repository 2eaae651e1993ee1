#pragma once
// An API over a store in a temporary directory, with people made of words: the token "alice" is
// Alice's web session.

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/api.h"
#include "api/route.h"
#include "unit/store/temp_home.h"
#include "vault/token.h"

namespace av::test {

class HandClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return now_.load(); }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::milliseconds(now_.load()));
  }
  void pass(std::chrono::milliseconds time) { now_ += time.count(); }

 private:
  std::atomic<std::int64_t> now_{1'700'000'000'000};
};

class RecordingAudit final : public vault::AuditLog {
 public:
  Status append(const vault::AuditRecord& record) override {
    const std::lock_guard lock(mutex_);
    if (full) {
      return make_error(ErrorCode::kNoSpace, "the disk is full");
    }
    records_.push_back(record);
    return {};
  }
  [[nodiscard]] std::vector<vault::AuditRecord> records() const {
    const std::lock_guard lock(mutex_);
    return records_;
  }
  [[nodiscard]] std::vector<std::string> events() const {
    std::vector<std::string> out;
    for (const auto& record : records()) {
      out.push_back(record.event + (record.decision.empty() ? "" : " " + record.decision));
    }
    return out;
  }
  std::atomic<bool> full = false;

 private:
  mutable std::mutex mutex_;
  std::vector<vault::AuditRecord> records_;
};

// Shared between the test and the API's thread.
struct People {
  struct Person {
    std::string uid;
    bool owner = false;
  };
  std::mutex mutex;
  std::map<std::string, Person> persons;                           // by token, which is the name
  std::map<std::pair<std::string, std::string>, api::Role> roles;  // by uid and vault
  bool recent = true;  // everybody has given the password just now
};

class WordUsers final : public api::UserDirectory {
 public:
  explicit WordUsers(std::shared_ptr<People> people) : people_(std::move(people)) {}
  Expected<std::optional<api::SignedInUser>> user_of_session(const crypto::Digest& hash) override {
    const std::lock_guard lock(people_->mutex);
    for (const auto& [name, person] : people_->persons) {
      if (crypto::sha256(name) == hash || crypto::sha256("cookie ", name) == hash) {
        return std::optional(
            api::SignedInUser{person.uid, name + "@example.com", "web_" + name, person.owner});
      }
    }
    return std::optional<api::SignedInUser>();
  }
  Expected<api::Role> role_in(std::string_view uid, std::string_view vault) override {
    const std::lock_guard lock(people_->mutex);
    const auto it = people_->roles.find({std::string(uid), std::string(vault)});
    return it == people_->roles.end() ? api::Role::kNone : it->second;
  }
  Status set_role(std::string_view uid, std::string_view vault, api::Role role) override {
    const std::lock_guard lock(people_->mutex);
    people_->roles[{std::string(uid), std::string(vault)}] = role;
    return {};
  }
  Expected<bool> has_owner() override {
    const std::lock_guard lock(people_->mutex);
    for (const auto& [name, person] : people_->persons) {
      if (person.owner) {
        return true;
      }
    }
    return false;
  }
  Expected<bool> reauthenticated(std::string_view /*uid*/, std::string_view /*session*/) override {
    const std::lock_guard lock(people_->mutex);
    return people_->recent;
  }

 private:
  std::shared_ptr<People> people_;
};

struct Sent {
  std::string bearer = {};
  std::string cookie = {};
  std::vector<std::pair<std::string, std::string>> fields = {};
  std::shared_ptr<const vault::Principal> run = {};
  std::string host = "127.0.0.1:14321";
  std::string peer = "127.0.0.1";
  bool at_proxy = false;
  std::string flow_cookie = {};
};

struct Got {
  int status = 0;
  std::string head;
  std::string body;
  [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(body); }
  [[nodiscard]] std::string error() const { return json().value("error", ""); }
  [[nodiscard]] std::string field(const std::string& name) const {
    const std::size_t at = head.find(name + ": ");
    if (at == std::string::npos) {
      return {};
    }
    const std::size_t begin = at + name.size() + 2;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

class ApiFixture {
 public:
  explicit ApiFixture(api::Mode mode = api::Mode::kServe) {
    auto opened = store::Store::open(home_.paths(), {}, clock_);
    REQUIRE(opened);
    store_ = std::move(*opened);
    people_->persons["olga"] = {"usr_olga", true};
    people_->persons["alice"] = {"usr_alice", false};
    people_->persons["mike"] = {"usr_mike", false};
    people_->persons["eve"] = {"usr_eve", false};
    people_->roles[{"usr_alice", "default"}] = api::Role::kAdmin;
    people_->roles[{"usr_mike", "default"}] = api::Role::kMember;
    options_.mode = mode;
    options_.proxy_port = 14322;
    options_.api_port = 14321;
    options_.run_vault = mode == api::Mode::kRun ? "default" : "";
    options_.ca_pem = [] { return std::string("-----BEGIN CERTIFICATE-----\nx\n"); };
    options_.skill_text = "# agent-vault\n";
    options_.settle = [this] { ++grants_changes; };
    options_.audit = &audit_;
    options_.clock = &clock_;
    options_.paths = home_.paths();
    options_.users = [people = people_](store::Store&) -> std::unique_ptr<api::UserDirectory> {
      return std::make_unique<WordUsers>(people);
    };
  }

  // The API is made at the first request: until then the options may be changed.
  api::Api& api() {
    if (api_ == nullptr) {
      auto second = store_->another();
      REQUIRE(second);
      api_ = std::make_unique<api::Api>(std::move(*second), options_, routes);
    }
    return *api_;
  }
  void stop() { api_.reset(); }

  std::future<Got> send(const std::string& method, const std::string& target,
                        const std::string& body = {}, const Sent& sent = {},
                        std::shared_ptr<std::atomic<bool>> gone = nullptr) {
    proxy::ApiRequest request;
    request.method = method;
    const std::size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    request.query = mark == std::string::npos ? "" : target.substr(mark + 1);
    request.fields = sent.fields;
    request.fields.emplace_back("host", sent.host);
    if (!body.empty() && request.field("content-type").empty()) {
      request.fields.emplace_back("content-type", "application/json");
    }
    request.bearer = secret(sent.bearer);
    request.cookie = secret(sent.cookie);
    request.flow_cookie = secret(sent.flow_cookie);
    request.body.append(body);
    request.run = sent.run;
    request.peer = sent.peer;
    request.at_proxy = sent.at_proxy;
    auto promise = std::make_shared<std::promise<Got>>();
    auto future = promise->get_future();
    api().handle(
        std::move(request),
        [promise](proxy::LocalReply reply, bool /*known*/) {
          promise->set_value(
              {reply.status, std::string(reply.fields.text()), std::string(reply.body.view())});
        },
        [gone] { return gone != nullptr && gone->load(); });
    return future;
  }
  Got ask(const std::string& method, const std::string& target, const std::string& body = {},
          const Sent& sent = {}) {
    auto future = send(method, target, body, sent);
    REQUIRE(future.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
    return future.get();
  }
  // As that person, by bearer.
  Got as(const std::string& who, const std::string& method, const std::string& target,
         const std::string& body = {}) {
    Sent sent;
    sent.bearer = who;
    return ask(method, target, body, sent);
  }

  // An agent of that name; its token.
  std::string agent(const std::string& name, std::vector<std::string> vaults = {"default"}) {
    vault::Agent made;
    made.name = name;
    made.vaults = std::move(vaults);
    const Secret token = std::move(*vault::make_token(vault::kAgentToken));
    REQUIRE(store_->create_agent(made, vault::hash_of(token)));
    return reveal(token);
  }
  // A session of that agent in a vault; its token.
  std::string session(const std::string& name, const std::string& vault) {
    store::SessionInfo info;
    info.id = "run_" + name + "_" + vault;
    info.agent_uid = store_->get_agent(name)->uid;
    info.vault = vault;
    const Secret token = std::move(*vault::make_token(vault::kSessionToken));
    REQUIRE(store_->create_session(info, vault::hash_of(token)));
    return reveal(token);
  }
  void set(const std::string& vault, const std::string& key, const std::string& value) {
    std::vector<store::Store::NewValue> values;
    values.push_back({key, secret(value)});
    REQUIRE(store_->set_credentials(vault, values, "set"));
  }

  store::Store& store() { return *store_; }
  HandClock& clock() { return clock_; }
  RecordingAudit& audit() { return audit_; }
  People& people() { return *people_; }
  api::ApiOptions& options() { return options_; }
  const TempHome& home() const { return home_; }
  std::atomic<int> grants_changes = 0;
  std::vector<api::Route> routes;  // empty: the real ones; set before the first request

 private:
  TempHome home_;
  HandClock clock_;
  RecordingAudit audit_;
  std::shared_ptr<People> people_ = std::make_shared<People>();
  api::ApiOptions options_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<api::Api> api_;
};

}  // namespace av::test
