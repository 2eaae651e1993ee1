#include "cmd/remote_proxy.h"

#include <openssl/pem.h>

#include <charconv>
#include <cstdlib>

#include "cmd/ca_bundle.h"
#include "cmd/cli.h"
#include "cmd/output.h"
#include "core/crypto.h"
#include "core/encoding.h"

namespace av::cmd {
namespace {

std::string with_colons(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    if (i != 0 && i % 2 == 0) {
      out.push_back(':');
    }
    const char c = hex[i];
    out.push_back(c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c);
  }
  return out;
}

Expected<RemoteProxy> ask(ApiClient& api) {
  AV_TRY(const HttpReply reply, api.exchange("GET", "/v1/mitm/ca.pem"));
  RemoteProxy proxy;
  const auto all = certificates_in(reply.body.view());
  if (all.size() != 1) {
    return make_error(ErrorCode::kInvalid,
                      "what " + api.url().text() + " gives as its authority is no certificate");
  }
  const std::string& certificate = all.front();
  const auto* bytes = reinterpret_cast<const unsigned char*>(certificate.data());
  const ossl::X509Cert x509(d2i_X509(nullptr, &bytes, static_cast<long>(certificate.size())));
  const ossl::Bio bio(BIO_new(BIO_s_mem()));
  if (x509 == nullptr || bio == nullptr || PEM_write_bio_X509(bio.get(), x509.get()) != 1) {
    return ossl::error("the server's authority cannot be read");
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  proxy.authority_pem.assign(text, static_cast<std::size_t>(size));
  const std::string_view port = reply.field("X-MITM-Port");
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), proxy.port);
  if (ec != std::errc() || end != port.data() + port.size() || proxy.port == 0) {
    return make_error(ErrorCode::kNetwork, api.url().text() + " does not say where its proxy is",
                      "is it the address of agent-vault serve?");
  }
  proxy.tls = reply.field("X-MITM-TLS") == "1";
  return proxy;
}

}  // namespace

Expected<std::string> fingerprint_of_pem(std::string_view pem) {
  const auto all = certificates_in(pem);
  if (all.empty()) {
    return make_error(ErrorCode::kInvalid, "no certificate");
  }
  return with_colons(encoding::hex(crypto::sha256(all.front())));
}

Expected<std::string> read_fingerprint(std::string_view text) {
  for (const std::string_view prefix : {"sha256:", "SHA256:", "sha256 Fingerprint="}) {
    if (text.starts_with(prefix)) {
      text.remove_prefix(prefix.size());
    }
  }
  std::string hex;
  for (const char c : text) {
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (digit) {
      hex.push_back(c);
    } else if (c != ':') {
      hex.clear();
      break;
    }
  }
  if (hex.size() != 64) {
    return usage_error("the fingerprint of an authority is 32 bytes in hexadecimal",
                       "agent-vault ca show --fingerprint, on the machine of the server");
  }
  return with_colons(hex);
}

Expected<RemoteProxy> meet_proxy(const Context& context, const Remote& remote, ApiClient& api,
                                 std::string_view expected) {
  AV_TRY(RemoteProxy proxy, ask(api));
  AV_TRY(const std::string shown, fingerprint_of_pem(proxy.authority_pem));
  const ServerFiles files(context.paths, remote.url);
  AV_TRY(const std::string pinned, files.authority());
  std::string known;
  if (!pinned.empty()) {
    AV_TRY(known, fingerprint_of_pem(pinned));
  }
  const std::string url = remote.url.text();
  const char* const set = std::getenv("AGENT_VAULT_CA_FINGERPRINT");
  if (expected.empty() && set != nullptr) {
    expected = set;
  }
  if (!expected.empty()) {
    AV_TRY(const std::string wanted, read_fingerprint(expected));
    if (wanted != shown) {
      return make_error(ErrorCode::kCrypto,
                        "the authority of " + url + " is another one than expected: it is " + shown,
                        "compare with: agent-vault ca show --fingerprint, on the server's machine");
    }
  } else if (!known.empty() && known != shown) {
    return make_error(
        ErrorCode::kCrypto,
        "the authority of " + url + " has changed: it was " + known + ", it is " + shown,
        "somebody may be in between. If `agent-vault ca rotate` was run there: "
        "agent-vault run --ca-fingerprint " +
            shown + " -- COMMAND");
  } else if (known.empty() && remote.cleartext) {
    // Whoever listens in could as well answer.
    return usage_error("over http:// from another machine, an authority is not to be believed",
                       "give --ca-fingerprint, as agent-vault ca show --fingerprint prints it on "
                       "the server's machine");
  }
  if (known != shown) {
    AV_CHECK(files.keep_authority(proxy.authority_pem));
    if (expected.empty()) {
      notice(context,
             "first use of " + url + ": its authority is " + shown + " from now on, and no other");
    }
  }
  return proxy;
}

}  // namespace av::cmd
