// Any request head through services with every kind of substitution and slot: what goes upstream is
// one request head with one Host, one framing, the injected slot once, and no placeholder in a
// declared place. The first byte chooses the service.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "proxy/http1_parser.h"
#include "proxy/injector.h"

using namespace av;
using namespace av::proxy;

namespace {

constexpr std::string_view kValue = "value-of-KEY/ with% &space";
constexpr std::string_view kPlaceholder = "__KEY__";

// Made once: only the head differs from run to run.
struct World {
  std::shared_ptr<vault::KeyRing> ring =
      std::make_shared<vault::KeyRing>(*vault::KeyRing::generate());
  CredentialResolver resolver;
  std::shared_ptr<const vault::PolicySnapshot> snapshots[4];

  World() {
    for (unsigned i = 0; i < 4; ++i) {
      auto snapshot = std::make_shared<vault::PolicySnapshot>();
      snapshot->vault_uid = "uid";
      snapshot->vault_name = "default";
      snapshot->generation = i + 1;
      const vault::SealContext context{"uid", "credential", "KEY", 1};
      snapshot->credentials["KEY"] =
          vault::SealedCredential{"KEY", 1, *ring->seal(context, kValue), {}};
      vault::Service service;
      service.name = "s";
      service.host = "h.test";
      switch (i) {
        case 0:
          service.auth = vault::BearerAuth{"KEY"};
          break;
        case 1:
          service.auth = vault::ApiKeyAuth{"KEY", "X-Api-Key", "", ""};
          break;
        case 2:
          service.auth = vault::ApiKeyAuth{"KEY", "", "", "key"};
          break;
        default:
          break;
      }
      vault::Substitution all;
      all.credential_key = "KEY";
      all.placeholder = kPlaceholder;
      all.surfaces = 7;  // path, query, header
      service.substitutions.push_back(all);
      snapshot->set_services({service});
      snapshots[i] = std::move(snapshot);
    }
  }
};

std::size_t count(const RequestHead& head, std::string_view name) {
  std::size_t n = 0;
  for (const Field& field : head.fields) {
    n += iequals(field.name, name) ? 1U : 0U;
  }
  return n;
}

// What must hold of the head that is sent.
void check(std::string_view sent, const RequestHead& from, unsigned which) {
  HeadScanner scanner;
  require(scanner.scan(sent) == HeadScanner::State::kComplete || sent.size() > kMaxHeadSize);
  if (sent.size() > kMaxHeadSize) {
    return;
  }
  require(scanner.size() == sent.size());
  RequestHead head;
  const auto malformed = parse_request_head(sent, head);
  require(!malformed || malformed->status == 431);
  if (malformed) {
    return;
  }
  require(!check_request_head(head));
  require(head.method == from.method && head.body == from.body &&
          head.content_length == from.content_length);
  require(count(head, "host") == 1 && head.host == "h.test");
  require(count(head, "proxy-authorization") == 0);
  require(head.websocket_upgrade == from.websocket_upgrade);
  require(count(head, "upgrade") == (from.websocket_upgrade ? 1U : 0U));
  require(which != 0 || count(head, "authorization") == 1);
  require(which != 1 || count(head, "x-api-key") == 1);
  require(head.target.find(kPlaceholder) == std::string_view::npos);
  for (const Field& field : head.fields) {
    require(field.value.find(kPlaceholder) == std::string_view::npos || iequals(field.name, "te"));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  if (size == 0) {
    return 0;
  }
  const unsigned which = data[0] % 4;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  HeadScanner scanner;
  RequestHead head;
  if (scanner.scan(bytes) != HeadScanner::State::kComplete ||
      parse_request_head(bytes.substr(0, scanner.size()), head) || check_request_head(head)) {
    return 0;
  }
  auto target = vault::canonical_target(head.target);
  if (!target || target->path == "*") {
    return 0;
  }
  vault::RequestIdentity identity;
  identity.authority = {"h.test", 443};
  identity.method = std::string(head.method);
  identity.target = std::move(*target);
  const vault::Principal nobody;
  vault::PolicyInput input;
  input.snapshot = world.snapshots[which];
  input.principal = &nobody;
  auto decision = vault::Policy::decide(input, identity);
  if (!std::holds_alternative<vault::AllowedRequest>(decision)) {
    return 0;
  }
  auto allowed = std::get<vault::AllowedRequest>(std::move(decision));
  auto resolved = world.resolver.resolve(allowed, *world.ring, {1, 0});
  require(static_cast<bool>(resolved));
  const auto request = Injector::inject(std::move(allowed), *resolved, head);
  if (request) {
    SecretBuffer text;
    append_http1_head(text, *request);
    check(text.view(), head, which);
  }
  return 0;
}
