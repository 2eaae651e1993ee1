#pragma once
// LoginKeeper: the port to whoever knows token endpoints, asks the human and keeps what comes of a
// login that a program makes itself. Behind it are the catalogue, the desk and the store; the
// latter two are slow and answer from another thread.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/secret.h"
#include "proxy/fault.h"
#include "vault/canonical.h"
#include "vault/placeholder_index.h"

namespace av::proxy {

// For the program, with nothing real in it.
struct LoginReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string retry_after;
  // For the record: "kept as GITHUB_OAUTH".
  std::string detail;
  // All that the child holds by now; null: nothing new.
  std::shared_ptr<const vault::PlaceholderIndex> placeholders;
};

struct LoginText {
  const vault::RequestIdentity& identity;
  std::string_view content_type;
  std::string_view authorization;
  std::string_view body;
  std::string_view trouble;  // why it cannot be read; empty: it can
};

struct LoginStep {
  enum class What : std::uint8_t {
    kPass,     // not for us: it goes the way of any request
    kAnswer,   // with `reply`, and nothing is sent
    kCapture,  // it goes out once somebody has allowed it, and its answer comes here
  };
  What what = What::kPass;
  LoginReply reply;
  std::string login;  // names it from here on
};

// What a provider has said.
struct LoginAnswer {
  int status = 0;
  std::string content_type;
  std::string retry_after;
  Secret body;          // without its codings
  std::string trouble;  // it could not be read to its end; empty: it was
};

class LoginKeeper {
 public:
  // No provider's answer is larger.
  static constexpr std::size_t kMostAnswer = std::size_t{256} << 10;

  virtual ~LoginKeeper() = default;
  // These three never block. Whether a token endpoint is meant that is looked after.
  [[nodiscard]] virtual bool concerns(const vault::RequestIdentity& identity) = 0;
  [[nodiscard]] virtual Outcome<LoginStep> look(const LoginText& text) = 0;
  // It was allowed, but did not come to an answer: the next one may try.
  virtual void abandon(const std::string& login) = 0;

  // `done` is called once, from any thread, perhaps before these return. It returns false when who
  // has asked is gone: then nobody was told.
  using Consent = std::function<bool(Outcome<void>)>;
  // When somebody has decided. Who is told yes is the only one under way with it, until the answer
  // is given to keep(), or abandon() is called.
  virtual void consent(const std::string& login, Consent done) = 0;
  using Kept = std::function<void(Outcome<LoginReply>)>;
  // On disk, and in the policy of this run, when `done` is called.
  virtual void keep(const std::string& login, LoginAnswer answer, Kept done) = 0;
};

}  // namespace av::proxy
