#include "cmd/ca_bundle.h"

#include <fcntl.h>
#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>

#include "core/encoding.h"
#include "core/fs.h"
#include "core/ossl.h"

namespace av::cmd {
namespace {

constexpr std::array kUserBundles{"SSL_CERT_FILE", "NIX_SSL_CERT_FILE", "CURL_CA_BUNDLE",
                                  "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"};
constexpr std::array kSystemBundles{
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // Fedora
    "/etc/ssl/ca-bundle.pem",                             // SUSE
    "/etc/ssl/cert.pem",                                  // Alpine, BSD
    "/etc/pki/tls/certs/ca-bundle.crt",                   // older Fedora
};
constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";

const char* set_value(const EnvLookup& env, const char* name) {
  const char* value = env(name);
  return value != nullptr && value[0] != '\0' ? value : nullptr;
}

void append_block(std::string& out, std::string_view pem) {
  if (!out.empty() && out.back() != '\n') {
    out += '\n';
  }
  out += pem;
}

// The head of an element of DER (X.690 section 8.1).
std::string der_head(int tag, std::size_t length, int tag_class, bool constructed) {
  const int size = ASN1_object_size(constructed ? 1 : 0, static_cast<int>(length), tag);
  std::string out(static_cast<std::size_t>(size) - length, '\0');
  auto* at = reinterpret_cast<unsigned char*>(out.data());
  ASN1_put_object(&at, constructed ? 1 : 0, static_cast<int>(length), tag, tag_class);
  return out;
}

// What stands before `tail` bytes, written from the inside out: the contents, some hundred
// kilobytes, are copied once.
class Prefix {
 public:
  explicit Prefix(std::size_t tail) : tail_(tail) {}
  Prefix& after(const std::string& bytes) {
    text_ = bytes + text_;
    return *this;
  }
  Prefix& octets() { return in(V_ASN1_OCTET_STRING, V_ASN1_UNIVERSAL, false); }
  Prefix& sequence() { return in(V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, true); }
  Prefix& set() { return in(V_ASN1_SET, V_ASN1_UNIVERSAL, true); }
  Prefix& explicit_0() { return in(0, V_ASN1_CONTEXT_SPECIFIC, true); }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  Prefix& in(int tag, int tag_class, bool constructed) {
    text_ = der_head(tag, text_.size() + tail_, tag_class, constructed) + text_;
    return *this;
  }
  std::string text_;
  std::size_t tail_;
};

// Encoded object identifiers, without tag and length.
constexpr std::string_view kPkcs7Data{"\x2A\x86\x48\x86\xF7\x0D\x01\x07\x01", 9};
constexpr std::string_view kCertBag{"\x2A\x86\x48\x86\xF7\x0D\x01\x0C\x0A\x01\x03", 11};
constexpr std::string_view kX509Certificate{"\x2A\x86\x48\x86\xF7\x0D\x01\x09\x16\x01", 10};
constexpr std::string_view kTrustedKeyUsage{"\x60\x86\x48\x01\x86\xF9\x66\xAD\xCA\x7B\x01\x01",
                                            12};  // 2.16.840.1.113894.746875.1.1
constexpr std::string_view kAnyExtendedKeyUsage{"\x55\x1D\x25\x00", 4};

std::string oid(std::string_view encoded) {
  return der_head(V_ASN1_OBJECT, encoded.size(), V_ASN1_UNIVERSAL, false) + std::string(encoded);
}

using EncodeCtx = std::unique_ptr<EVP_ENCODE_CTX, ossl::Free<EVP_ENCODE_CTX_free>>;

// Base64 with line breaks; empty when it is none.
std::string decode_lenient_base64(std::string_view text) {
  const EncodeCtx context(EVP_ENCODE_CTX_new());
  std::string bytes(encoding::base64_decoded_bound(text.size()), '\0');
  auto* const out = reinterpret_cast<unsigned char*>(bytes.data());
  int body = 0;
  int tail = 0;
  EVP_DecodeInit(context.get());
  if (EVP_DecodeUpdate(context.get(), out, &body,
                       reinterpret_cast<const unsigned char*>(text.data()),
                       static_cast<int>(text.size())) < 0 ||
      EVP_DecodeFinal(context.get(), out + body, &tail) < 0) {
    return {};
  }
  bytes.resize(static_cast<std::size_t>(body + tail));
  return bytes;
}

// A system's bundle is two hundred kilobytes and decoded at each start; the strict decoder is ten
// times as fast as OpenSSL's, which also takes what PEM files of strange origin hold.
std::string decode_base64(std::string_view text) {
  std::string joined;
  joined.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    joined += rest.substr(0, end);
    if (!joined.empty() && joined.back() == '\r') {
      joined.pop_back();
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::string bytes(encoding::base64_decoded_bound(joined.size()), '\0');
  const auto size =
      encoding::from_base64(joined, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  if (!size) {
    return decode_lenient_base64(text);
  }
  bytes.resize(*size);
  return bytes;
}

// Where only root installs things; the command of root could plant a link elsewhere.
constexpr std::array<std::string_view, 5> kSystemDirectories{
    "/etc/ssl/", "/etc/pki/", "/etc/ca-certificates/", "/usr/share/ca-certificates/",
    "/nix/store/"};

// Whether the command could not have had a part in what is open here, nor in the way to it: a file
// of root's is none of the store's, unless the user is root.
bool is_of_system(int fd, const struct stat& info) {
  if (info.st_uid != 0 || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0 || info.st_nlink != 1) {
    return false;
  }
  if (::geteuid() != 0) {
    return true;
  }
  char target[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
  const std::string_view path(target, size > 0 ? static_cast<std::size_t>(size) : 0);
  return std::any_of(kSystemDirectories.begin(), kSystemDirectories.end(),
                     [&](std::string_view directory) { return path.starts_with(directory); });
}

// Certificates as OpenSSL writes them; whatever else is in `text` stays behind.
std::string only_certificates(std::string_view text) {
  const ossl::Bio out(BIO_new(BIO_s_mem()));
  for (const std::string& der : certificates_in(text)) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    const auto* const end = at + der.size();
    const ossl::X509Cert certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (certificate && at == end) {
      PEM_write_bio_X509(out.get(), certificate.get());
    }
  }
  static_cast<void>(ossl::drain_errors());
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return size > 0 ? std::string(bytes, static_cast<std::size_t>(size)) : std::string();
}

// Empty: there is no certificate in it.
Expected<std::string> read_certificates(const char* path) {
  // A pipe that nobody writes to must not stop the run.
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return errno_error(errno, "cannot open " + std::string(path));
  }
  if (!S_ISREG(info.st_mode)) {
    return make_error(ErrorCode::kInvalid, std::string(path) + " is not a file");
  }
  // Through the descriptor: what was looked at is what is read.
  Expected<std::string> read = fs::read_file("/proc/self/fd/" + std::to_string(fd.get()));
  if (!read) {
    return make_error(read.error().code, "cannot read " + std::string(path) +
                                             ": it is too large, or "
                                             "changes while it is read");
  }
  std::string text = std::move(*read);
  return is_of_system(fd.get(), info) ? std::move(text) : only_certificates(text);
}

bool lies_in_working_directory(const char* path) {
  std::error_code ec;
  const auto file = std::filesystem::canonical(path, ec);
  const auto here = std::filesystem::current_path(ec);
  if (ec) {
    return false;
  }
  return std::mismatch(here.begin(), here.end(), file.begin(), file.end()).first == here.end();
}

std::string no_certificates(const char* variable) {
  return std::string(variable) + " names a file without a certificate in it; it is passed over";
}

// `from`: the file that it was taken from.
Expected<std::string> base_bundle(const EnvLookup& env, std::vector<std::string>& warnings,
                                  std::string& from) {
  for (const char* name : kUserBundles) {
    if (const char* path = set_value(env, name)) {
      auto text = read_certificates(path);
      if (!text) {
        return make_error(text.error().code, std::string(name) + ": " + text.error().message,
                          "correct or unset " + std::string(name));
      }
      if (!text->empty()) {
        from = path;
        if (lies_in_working_directory(path)) {
          warnings.push_back(std::string(name) + " names " + path +
                             ", which the command can change, and which says whom the broker "
                             "trusts: move it out of the working directory");
        }
        return text;
      }
      warnings.push_back(no_certificates(name));
    }
  }
  for (const char* path : kSystemBundles) {
    if (auto text = read_certificates(path); text && !text->empty()) {
      from = path;
      return text;
    }
  }
  return std::string();
}

}  // namespace

Expected<Bundle> combined_bundle(std::string_view ca_pem, const EnvLookup& env) {
  Bundle bundle;
  std::string from;
  AV_TRY(bundle.pem, base_bundle(env, bundle.warnings, from));
  if (const char* path = set_value(env, "NODE_EXTRA_CA_CERTS"); path != nullptr && from != path) {
    // Node itself only warns about a file that it cannot read.
    const auto extra = read_certificates(path);
    if (extra && extra->empty()) {
      bundle.warnings.push_back(no_certificates("NODE_EXTRA_CA_CERTS"));
    } else if (extra && bundle.pem.find(*extra) == std::string::npos) {
      append_block(bundle.pem, *extra);
    }
  }
  append_block(bundle.pem, ca_pem);
  return bundle;
}

std::vector<std::string> certificates_in(std::string_view pem) {
  std::vector<std::string> certificates;
  for (std::size_t begin = pem.find(kBegin); begin != std::string_view::npos;
       begin = pem.find(kBegin, begin)) {
    begin += kBegin.size();
    const std::size_t end = pem.find(kEnd, begin);
    if (end == std::string_view::npos) {
      break;
    }
    if (std::string bytes = decode_base64(pem.substr(begin, end - begin)); !bytes.empty()) {
      certificates.push_back(std::move(bytes));
    }
    begin = end;
  }
  return certificates;
}

std::string make_trust_store(const std::vector<std::string>& certificates) {
  // SET { SEQUENCE { trustedKeyUsage, SET { anyExtendedKeyUsage } } }
  const std::string usage = Prefix(0).after(oid(kAnyExtendedKeyUsage)).set().text();
  const std::string attributes =
      Prefix(0).after(usage).after(oid(kTrustedKeyUsage)).sequence().set().text();
  // Once in its full size: growing it would touch four times the memory.
  std::size_t size = 0;
  for (const std::string& certificate : certificates) {
    size += certificate.size() + attributes.size() + 64;
  }
  std::string bags;
  bags.reserve(size + 256);
  for (const std::string& certificate : certificates) {
    const std::string bag = Prefix(certificate.size())
                                .octets()
                                .explicit_0()
                                .after(oid(kX509Certificate))
                                .sequence()
                                .explicit_0()
                                .after(oid(kCertBag))
                                .text();
    bags += der_head(V_ASN1_SEQUENCE, bag.size() + certificate.size() + attributes.size(),
                     V_ASN1_UNIVERSAL, true);
    bags.append(bag).append(certificate).append(attributes);
  }
  const std::string data = oid(kPkcs7Data);
  // PFX { 3, ContentInfo { data, AuthenticatedSafe { ContentInfo { data, SafeContents } } } }
  const std::string head = Prefix(bags.size())
                               .sequence()
                               .octets()
                               .explicit_0()
                               .after(data)
                               .sequence()
                               .sequence()
                               .octets()
                               .explicit_0()
                               .after(data)
                               .sequence()
                               .after({V_ASN1_INTEGER, 1, 3})
                               .sequence()
                               .text();
  bags.insert(0, head);
  return bags;
}

}  // namespace av::cmd
