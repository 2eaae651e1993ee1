#include "proxy/connector.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/ip/basic_resolver.hpp>
#include <cerrno>
#include <system_error>

namespace av::proxy {
namespace {

using Resolver = asio::ip::basic_resolver<tcp, Executor>;

Fault gateway_fault(std::string_view code, std::string message, std::string help, bool transient) {
  Fault fault;
  fault.status = code.ends_with("timeout") ? 504 : 502;
  fault.code = code;
  fault.message = std::move(message);
  fault.help = std::move(help);
  fault.transient = transient;
  return fault;
}

IpAddress from_asio(const asio::ip::address& address) {
  IpAddress out;
  const asio::ip::address_v6 v6 =
      address.is_v4() ? asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4())
                      : address.to_v6();
  const auto bytes = v6.to_bytes();
  std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
  return out;
}

tcp::endpoint to_asio(const IpAddress& address, std::uint16_t port) {
  asio::ip::address_v6::bytes_type bytes{};
  std::copy(address.bytes.begin(), address.bytes.end(), bytes.begin());
  const asio::ip::address_v6 v6(bytes);
  if (address.is_v4()) {
    return {asio::ip::make_address_v4(asio::ip::v4_mapped, v6), port};
  }
  return {v6, port};
}

// What a look-up leaves behind; outlives the coroutine that gave up on it.
struct Lookup {
  explicit Lookup(Executor executor) : resolver(executor), done(executor) {}
  Resolver resolver;
  Timer done;
  error_code error;
  std::vector<IpAddress> addresses;
  bool finished = false;
};

Fault tls_fault(SSL* ssl, const Stream& stream, Io io, const std::string& host) {
  const long verify = SSL_get_verify_result(ssl);
  std::string_view code = "upstream_tls_failed";
  std::string why = stream.tls_error().empty() ? "the connection ended" : stream.tls_error();
  std::string help;
  if (verify != X509_V_OK) {
    why = X509_verify_cert_error_string(verify);
    switch (verify) {
      case X509_V_ERR_CERT_HAS_EXPIRED:
      case X509_V_ERR_CERT_NOT_YET_VALID:
        code = "upstream_certificate_expired";
        help = "check the clock of this machine; otherwise its operator must renew it";
        break;
      case X509_V_ERR_HOSTNAME_MISMATCH:
      case X509_V_ERR_IP_ADDRESS_MISMATCH:
        code = "upstream_certificate_mismatch";
        break;
      default:
        code = "upstream_certificate_untrusted";
        help = "for a private certificate authority: agent-vault run --upstream-ca FILE";
        break;
    }
  } else if (io == Io::kTimeout) {
    return gateway_fault("upstream_tls_timeout", "the TLS handshake with " + host + " timed out",
                         {}, true);
  }
  return gateway_fault(code, "TLS with " + host + " failed: " + why, std::move(help),
                       /*transient=*/verify == X509_V_OK);
}

// The wire form of the ALPN extension: each name after its length (RFC 7301 section 3.1).
std::string_view alpn_names(AlpnOffer offer) {
  switch (offer) {
    case AlpnOffer::kHttp1:
      return "\x08http/1.1";
    case AlpnOffer::kHttp2:
      return "\x02h2";
    case AlpnOffer::kHttp2OrHttp1:
      return "\x02h2\x08http/1.1";
  }
  return {};
}

}  // namespace

Connector::Connector(Executor executor, DeadlineList& deadlines, NetOptions net,
                     std::vector<std::string> upstream_ca_files, Millis connect_timeout)
    : executor_(executor),
      deadlines_(deadlines),
      guard_(std::move(net)),
      upstream_ca_files_(std::move(upstream_ca_files)),
      connect_timeout_(connect_timeout) {}

Awaitable<Outcome<std::vector<Connector::Endpoint>>> Connector::resolve(
    const vault::Authority& authority) {
  std::vector<Endpoint> allowed;
  if (const ResolveOverride* const fixed = guard_.override_for(authority)) {
    // Named by hand, so private ranges are fine; metadata services never come in by accident.
    if (classify(fixed->address) != AddressClass::kMetadata || guard_.allows(fixed->address)) {
      allowed.push_back(Endpoint{fixed->address, fixed->port});
      co_return allowed;
    }
  }
  std::vector<IpAddress> found;
  if (const auto literal = parse_ip(authority.host)) {
    found.push_back(*literal);
  } else {
    auto lookup = std::make_shared<Lookup>(executor_);
    ++*resolving_;
    lookup->resolver.async_resolve(
        authority.host, std::to_string(authority.port), tcp::resolver::numeric_service,
        [lookup, counter = resolving_](const error_code& ec, const tcp::resolver::results_type& r) {
          --*counter;
          lookup->error = ec;
          lookup->finished = true;
          for (const auto& entry : r) {
            lookup->addresses.push_back(from_asio(entry.endpoint().address()));
          }
          lookup->done.cancel();
        });
    if (!lookup->finished) {
      co_await sleep_for(lookup->done, connect_timeout_);
    }
    if (!lookup->finished) {
      co_return gateway_fault("dns_timeout", "looking up " + authority.host + " timed out",
                              "check the name servers of this machine", true);
    }
    if (lookup->error) {
      co_return gateway_fault("dns_failed",
                              "cannot look up " + authority.host + ": " + lookup->error.message(),
                              "check the spelling of the host", true);
    }
    found = std::move(lookup->addresses);
  }
  for (const IpAddress& address : found) {
    if (guard_.allows(address)) {
      allowed.push_back(Endpoint{address, authority.port});
    }
  }
  if (allowed.empty()) {
    Fault fault;
    fault.status = 403;
    fault.code = "address_not_allowed";
    const bool metadata = !found.empty() && classify(found.front()) == AddressClass::kMetadata;
    fault.message =
        authority.host + " is at " +
        (found.empty() ? std::string("no address") : found.front().to_string()) +
        (metadata ? ", a cloud metadata service" : ", which is not on the public internet");
    fault.help = "the owner of the vault can permit it: agent-vault run --allow-net " +
                 (found.empty() ? std::string("CIDR") : found.front().to_string());
    co_return fault;
  }
  co_return allowed;
}

Awaitable<Outcome<UpstreamPtr>> Connector::open(const std::vector<Endpoint>& endpoints,
                                                const vault::Authority& authority) {
  Fault last;
  for (const Endpoint& endpoint : endpoints) {
    auto connection = std::make_unique<UpstreamConnection>(executor_, deadlines_);
    const tcp::endpoint target = to_asio(endpoint.address, endpoint.port);
    const Io io = co_await connection->stream.connect(target, connect_timeout_);
    const std::string where = endpoint.address.to_string() + ' ' + std::to_string(endpoint.port);
    if (io == Io::kOk) {
      const std::string ip = endpoint.address.to_string();
      connection->address =
          (endpoint.address.is_v4() ? ip : '[' + ip + ']') + ':' + std::to_string(endpoint.port);
      co_return connection;
    }
    const int number = connection->stream.connect_errno();
    if (io == Io::kTimeout || number == ETIMEDOUT) {
      last =
          gateway_fault("connect_timeout",
                        "connecting to " + authority.host + " (" + where + ") timed out", {}, true);
    } else if (number == ECONNREFUSED) {
      last = gateway_fault("connect_refused",
                           authority.host + " (" + where + ") refused the connection",
                           "check the host and the port", true);
    } else {
      last = gateway_fault("connect_failed",
                           "cannot connect to " + authority.host + " (" + where +
                               "): " + std::generic_category().message(number),
                           {}, true);
    }
  }
  co_return last;
}

Outcome<void> Connector::load_roots() {
  ossl::SslCtx context(SSL_CTX_new(TLS_client_method()));
  const auto fail = [](const std::string& what) {
    return gateway_fault("trust_store", what + ": " + ossl::drain_errors(),
                         "check the certificate files of this machine and --upstream-ca", false);
  };
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_default_verify_paths(context.get()) != 1) {
    return fail("cannot read the system's root certificates");
  }
  for (const std::string& file : upstream_ca_files_) {
    if (SSL_CTX_load_verify_file(context.get(), file.c_str()) != 1) {
      return fail("cannot read " + file);
    }
  }
  ERR_clear_error();
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  client_context_ = std::move(context);
  return {};
}

Outcome<ossl::Ssl> Connector::make_client_ssl(const vault::Authority& authority, AlpnOffer offer) {
  if (client_context_ == nullptr) {
    AV_CHECK(load_roots());
  }
  ossl::Ssl ssl(SSL_new(client_context_.get()));
  const std::string_view names = alpn_names(offer);
  bool ok = ssl != nullptr &&
            SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(names.data()),
                                static_cast<unsigned>(names.size())) == 0;
  if (const auto literal = parse_ip(authority.host)) {
    ok = ok && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()),
                                             literal->to_string().c_str()) == 1;
  } else {
    ok = ok && SSL_set_tlsext_host_name(ssl.get(), authority.host.c_str()) == 1 &&
         SSL_set1_host(ssl.get(), authority.host.c_str()) == 1;
  }
  if (!ok) {
    return gateway_fault("upstream_tls_failed",
                         "cannot set up TLS for " + authority.host + ": " + ossl::drain_errors(),
                         {}, false);
  }
  return ssl;
}

Awaitable<Outcome<UpstreamPtr>> Connector::connect(const OutboundRequest& request,
                                                   AlpnOffer offer) {
  const vault::Authority& authority = request.identity().authority;
  auto endpoints = co_await resolve(authority);
  if (!endpoints) {
    co_return std::move(endpoints.error());
  }
  auto connection = co_await open(*endpoints, authority);
  if (!connection || request.identity().scheme == vault::Scheme::kHttp) {
    co_return std::move(connection);
  }
  auto ssl = make_client_ssl(authority, offer);
  if (!ssl) {
    co_return std::move(ssl.error());
  }
  Stream& stream = (*connection)->stream;
  const Io io = co_await stream.connect_tls(std::move(*ssl), connect_timeout_);
  if (io != Io::kOk) {
    co_return tls_fault(stream.ssl(), stream, io, authority.host);
  }
  (*connection)->http2 = chose_http2(stream.ssl());
  co_return std::move(connection);
}

}  // namespace av::proxy
