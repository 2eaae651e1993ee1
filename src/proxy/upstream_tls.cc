#include "proxy/upstream_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "proxy/gateway_fault.h"

namespace av::proxy {
namespace {

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

std::string session_key(std::string_view role, const std::string& profile, const std::string& host,
                        std::uint16_t port, AlpnOffer offer) {
  return std::string(role) + '|' + host + '|' + std::to_string(port) + '|' +
         std::to_string(static_cast<int>(offer)) + '|' + profile;
}

Fault certificate_fault(long verify, const std::string& host) {
  std::string_view code = "upstream_certificate_untrusted";
  std::string help = "for a private certificate authority: agent-vault run --upstream-ca FILE";
  if (verify == X509_V_ERR_CERT_HAS_EXPIRED || verify == X509_V_ERR_CERT_NOT_YET_VALID) {
    code = "upstream_certificate_expired";
    help = "check the clock of this machine; otherwise its operator must renew it";
  } else if (verify == X509_V_ERR_HOSTNAME_MISMATCH || verify == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    code = "upstream_certificate_mismatch";
    help.clear();
  }
  return gateway_fault(code,
                       "TLS with " + host + " failed: " + X509_verify_cert_error_string(verify),
                       std::move(help), /*transient=*/false);
}

Fault alpn_fault(const std::string& host) {
  return gateway_fault("upstream_alpn",
                       host + " does not speak the protocol that was offered to it (ALPN)", {},
                       /*transient=*/false);
}

bool wants_client_certificate(int reason) {
  return reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
         reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE || reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA ||
         reason == SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED ||
         reason == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN;
}

Fault handshake_fault(const Stream& stream, Io io, const std::string& host) {
  const long verify = SSL_get_verify_result(stream.ssl());
  if (verify != X509_V_OK) {
    return certificate_fault(verify, host);
  }
  if (io == Io::kTimeout) {
    return gateway_fault("upstream_tls_timeout", "the TLS handshake with " + host + " timed out",
                         {}, true);
  }
  if (stream.tls_reason() == SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL) {
    return alpn_fault(host);
  }
  std::string help;
  if (wants_client_certificate(stream.tls_reason())) {
    help = "the server wants a client certificate: \"tls\" of its service, agent-vault-services(5)";
  }
  return gateway_fault(
      "upstream_tls_failed",
      "TLS with " + host +
          " failed: " + (stream.tls_error().empty() ? "the connection ended" : stream.tls_error()),
      std::move(help), /*transient=*/true);
}

// OpenSSL takes over the result of the first handshake when a session is resumed. Its key names the
// host and the roots; what time can change is looked at anew and, lest a key ever say too little,
// so is the host.
bool still_verifies(SSL_SESSION* session, const std::string& host) {
  X509* const certificate = SSL_SESSION_get0_peer(session);
  if (certificate == nullptr || X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
    return false;
  }
  if (const auto literal = parse_ip(host)) {
    return X509_check_ip_asc(certificate, literal->to_string().c_str(), 0) == 1;
  }
  return X509_check_host(certificate, host.data(), host.size(), 0, nullptr) == 1;
}

}  // namespace

Outcome<ossl::Ssl> TlsConnector::prepare(const TlsProfiles::Profile& profile,
                                         const std::string& host, AlpnOffer offer,
                                         const std::string& session_key) {
  ossl::Ssl ssl(SSL_new(profile.context));
  const std::string_view names = alpn_names(offer);
  bool ok = ssl != nullptr &&
            SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(names.data()),
                                static_cast<unsigned>(names.size())) == 0;
  if (const auto literal = parse_ip(host)) {
    ok = ok && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()),
                                             literal->to_string().c_str()) == 1;
  } else {
    ok = ok && SSL_set_tlsext_host_name(ssl.get(), host.c_str()) == 1 &&
         SSL_set1_host(ssl.get(), host.c_str()) == 1;
  }
  if (!ok) {
    return gateway_fault("upstream_tls_failed",
                         "cannot set up TLS for " + host + ": " + ossl::drain_errors(), {}, false);
  }
  sessions_->watch(ssl.get(), session_key);
  if (const ossl::SslSession session = sessions_->take(session_key)) {
    if (still_verifies(session.get(), host)) {
      // A session that OpenSSL cannot use means a full handshake, no failure.
      (void)SSL_set_session(ssl.get(), session.get());
      ERR_clear_error();
    } else {
      sessions_->drop(session_key);
    }
  }
  return ssl;
}

Awaitable<Outcome<void>> TlsConnector::handshake(UpstreamConnection& connection, ossl::Ssl ssl,
                                                 const std::string& host,
                                                 const std::string& session_key,
                                                 ConnectBudget budget) {
  Stream& stream = connection.stream;
  const Io io = co_await stream.connect_tls(std::move(ssl), budget.left());
  if (io != Io::kOk) {
    sessions_->drop(session_key);
    co_return handshake_fault(stream, io, host);
  }
  co_return Outcome<void>();
}

Awaitable<Outcome<void>> TlsConnector::connect(UpstreamConnection& connection,
                                               const ConnectTarget& target, AlpnOffer offer,
                                               ConnectBudget budget, std::int64_t now_ms) {
  const vault::Authority& authority = target.authority();
  auto profile = profiles_.profile_for(target.service(), target.credential(), now_ms);
  if (!profile) {
    co_return std::move(profile.error());
  }
  const std::string key =
      session_key("upstream", profile->key, authority.host, authority.port, offer);
  auto ssl = prepare(*profile, authority.host, offer, key);
  if (!ssl) {
    co_return std::move(ssl.error());
  }
  auto done = co_await handshake(connection, std::move(*ssl), authority.host, key, budget);
  if (!done) {
    co_return std::move(done);
  }
  // OpenSSL takes whatever the server names. A server without ALPN speaks HTTP/1.1.
  const std::string_view protocol = chosen_protocol(connection.stream.ssl());
  connection.http2 = protocol == "h2";
  const bool offered =
      protocol.empty() || (connection.http2 ? offer != AlpnOffer::kHttp1
                                            : protocol == "http/1.1" && offer != AlpnOffer::kHttp2);
  if (!offered) {
    co_return alpn_fault(authority.host);
  }
  co_return std::move(done);
}

Awaitable<Outcome<void>> TlsConnector::connect_to_proxy(UpstreamConnection& connection,
                                                        const EgressProxy& proxy,
                                                        ConnectBudget budget, std::int64_t now_ms) {
  auto profile = profiles_.profile_for(nullptr, nullptr, now_ms);
  if (!profile) {
    co_return std::move(profile.error());
  }
  const std::string key =
      session_key("proxy", profile->key, proxy.host(), proxy.port(), AlpnOffer::kHttp1);
  auto ssl = prepare(*profile, proxy.host(), AlpnOffer::kHttp1, key);
  if (!ssl) {
    co_return std::move(ssl.error());
  }
  co_return co_await handshake(connection, std::move(*ssl), proxy.host(), key, budget);
}

}  // namespace av::proxy
