#include "proxy/resolver.h"

#include <algorithm>
#include <boost/asio/ip/basic_resolver.hpp>

#include "proxy/gateway_fault.h"

namespace av::proxy {
namespace {

using AsioResolver = asio::ip::basic_resolver<tcp, Executor>;

IpAddress from_asio(const asio::ip::address& address) {
  IpAddress out;
  const asio::ip::address_v6 v6 =
      address.is_v4() ? asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4())
                      : address.to_v6();
  const auto bytes = v6.to_bytes();
  std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
  return out;
}

// What a look-up leaves behind; outlives the coroutine that gave up on it.
struct Lookup {
  explicit Lookup(Executor executor) : resolver(executor), done(executor) {}
  AsioResolver resolver;
  Timer done;
  error_code error;
  std::vector<IpAddress> addresses;
  bool finished = false;
};

}  // namespace

Awaitable<Outcome<std::vector<IpAddress>>> SystemResolver::resolve(const std::string& host,
                                                                   Millis timeout) {
  auto lookup = std::make_shared<Lookup>(executor_);
  ++*pending_;
  lookup->resolver.async_resolve(
      host, "0", tcp::resolver::numeric_service,
      [lookup, counter = pending_](const error_code& ec, const tcp::resolver::results_type& r) {
        --*counter;
        lookup->error = ec;
        lookup->finished = true;
        for (const auto& entry : r) {
          lookup->addresses.push_back(from_asio(entry.endpoint().address()));
        }
        lookup->done.cancel();
      });
  if (!lookup->finished) {
    co_await sleep_for(lookup->done, timeout);
  }
  if (!lookup->finished) {
    co_return gateway_fault("dns_timeout", "looking up " + host + " timed out",
                            "check the name servers of this machine", true);
  }
  if (lookup->error || lookup->addresses.empty()) {
    const std::string why = lookup->error ? lookup->error.message() : "no address";
    co_return gateway_fault("dns_failed", "cannot look up " + host + ": " + why,
                            "check the spelling of the host", true);
  }
  co_return std::move(lookup->addresses);
}

}  // namespace av::proxy
