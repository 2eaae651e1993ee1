#include "kek/descriptor.h"
#include "kek/keks.h"
#include "kek/token_session.h"

namespace av::kek {
namespace {

class TokenKek final : public vault::KekSource {
 public:
  explicit TokenKek(TokenOptions options) : options_(std::move(options)) {}

  [[nodiscard]] std::string_view mode() const override { return "pkcs11"; }

  [[nodiscard]] Expected<Protected> protect(const vault::Keyholder& holder) const override {
    Protected made;
    AV_TRY(made.kek, crypto::random_secret(crypto::kKeySize));
    AV_TRY(TokenSession session, TokenSession::open(options_.module, options_.token, holder));
    AV_TRY(const WrappedKey wrapped, session.wrap(options_.key, made.kek));
    for (const std::string* text : {&options_.module, &options_.token, &options_.key}) {
      if (!encoding::is_utf8(*text)) {
        return make_error(ErrorCode::kInvalid, "paths and labels of a token are UTF-8 here");
      }
    }
    made.descriptor = nlohmann::ordered_json{{"module", options_.module},
                                             {"token", options_.token},
                                             {"key", options_.key},
                                             {"mechanism", wrapped.mechanism},
                                             {"wrapped", base64_of(wrapped.bytes)}}
                          .dump();
    return made;
  }

  [[nodiscard]] Expected<Secret> recover(const vault::KekRecord& record,
                                         const vault::Keyholder& holder) const override {
    AV_TRY(const Descriptor descriptor, Descriptor::parse(record.descriptor));
    AV_TRY(const std::string module, descriptor.text("module"));
    AV_TRY(const std::string token, descriptor.text("token"));
    AV_TRY(const std::string key, descriptor.text("key"));
    WrappedKey wrapped;
    AV_TRY(wrapped.mechanism, descriptor.text("mechanism"));
    AV_TRY(wrapped.bytes, descriptor.bytes("wrapped"));
    AV_TRY(TokenSession session, TokenSession::open(module, token, holder));
    return session.unwrap(key, wrapped);
  }

  [[nodiscard]] bool asks(const vault::KekRecord& /*record*/) const override { return true; }

  [[nodiscard]] std::string detail(const vault::KekRecord& record) const override {
    const auto descriptor = Descriptor::parse(record.descriptor);
    const auto text = [&](const char* name) {
      return descriptor ? encoding::printable(descriptor->text(name).value_or("?"))
                        : std::string("?");
    };
    return "the key '" + text("key") + "' of the token '" + text("token") + "' (" +
           text("mechanism") + ")";
  }

 private:
  const TokenOptions options_;
};

}  // namespace

std::shared_ptr<const vault::KekSource> make_token_kek(TokenOptions options) {
  return std::make_shared<const TokenKek>(std::move(options));
}

}  // namespace av::kek
