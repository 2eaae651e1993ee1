#include "cmd/store_ca.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>

#include "cmd/audit_action.h"

namespace av::cmd {
namespace {

constexpr std::string_view kCaItem = "ca";
constexpr Millis kCaLifetime = std::chrono::hours(24) * 3653;

std::string ca_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) {
    host[0] = '\0';
  }
  const char* user = std::getenv("USER");
  std::string name =
      "agent-vault CA " + std::string(user == nullptr ? "" : user) + "@" + host.data();
  return name.substr(0, 64);  // ub-common-name, RFC 5280 appendix A.1
}

}  // namespace

Expected<proxy::CertificateAuthority> make_ca(Context& context, std::string_view event) {
  AV_TRY(proxy::CertificateAuthority ca,
         proxy::CertificateAuthority::create(ca_name(), kCaLifetime, *context.clock));
  AV_TRY(Secret key, ca.key_pem());
  AV_CHECK(audited(context, action(event, "", ca.fingerprint_sha256()), [&] {
    return context.store->put_item(kCaItem, {ca.certificate_pem(), std::move(key)});
  }));
  return ca;
}

Expected<proxy::CertificateAuthority> load_or_make_ca(Context& context) {
  AV_TRY(const auto item, context.store->get_item(kCaItem));
  if (!item) {
    return make_ca(context, "ca.create");
  }
  return proxy::CertificateAuthority::from_pem(item->public_part, item->secret_part);
}

}  // namespace av::cmd
