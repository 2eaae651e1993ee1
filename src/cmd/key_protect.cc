#include "cmd/key_protect.h"

#include <unistd.h>

#include <cstdlib>

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/given_secret.h"
#include "cmd/kept_key.h"
#include "cmd/output.h"
#include "cmd/term.h"
#include "kek/keks.h"
#include "store/local_keks.h"

namespace av::cmd {
namespace {

constexpr std::size_t kShortestPassphrase = 8;

Expected<Secret> new_passphrase(bool from_stdin, std::string_view command) {
  Expected<Secret> passphrase = Secret();
  if (from_stdin) {
    passphrase = fs::read_secret_fd(STDIN_FILENO, 4096);
    if (passphrase) {
      drop_final_newline(*passphrase);
    }
  } else {
    passphrase = read_hidden_twice("new passphrase: ");
    if (!passphrase && passphrase.error().hint.empty()) {
      passphrase.error().hint = "pipe it in: agent-vault " + std::string(command) + " --stdin";
    }
  }
  if (passphrase && passphrase->size() < kShortestPassphrase) {
    return make_error(ErrorCode::kInvalid, "the passphrase is shorter than " +
                                               std::to_string(kShortestPassphrase) + " bytes");
  }
  return passphrase;
}

struct Way {
  std::shared_ptr<const vault::KekSource> source;
  std::string opens_with;  // "the store now opens with ..."
};

Expected<Way> token_way(const ProtectOptions& options) {
  if (options.module.empty() || options.token.empty() || options.key.empty()) {
    return usage_error("a token needs --module, --token and --key",
                       "agent-vault key protect --with pkcs11 --module "
                       "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so --token LABEL --key LABEL");
  }
  return Way{kek::make_token_kek({options.module, options.token, options.key}),
             "the key '" + options.key + "' of the token '" + options.token +
                 "'; there is no way in without the token and its PIN"};
}

Expected<Way> way_of(const Context& context, const ProtectOptions& options) {
  if (options.with == "file") {
    return Way{store::make_file_kek(context.paths),
               "the key file " + context.paths.key_file().string()};
  }
  if (options.with == "keyring") {
    return Way{kek::make_keyring_kek(context.paths.data.string()),
               "the desktop's keyring; there is no way in without it"};
  }
  if (options.with == "tpm") {
    const char* const tcti = std::getenv("AGENT_VAULT_TPM_TCTI");
    return Way{kek::make_tpm_kek({tcti == nullptr ? "" : tcti, options.pin}),
               std::string("the TPM of this machine") + (options.pin ? " and the PIN" : "") +
                   "; there is no way in on another machine, or after the TPM was cleared"};
  }
  if (options.with == "pkcs11") {
    return token_way(options);
  }
  return usage_error("the store cannot be locked with '" + options.with + "'",
                     "choose of file, passphrase, keyring, tpm, pkcs11");
}

Status check_options(const ProtectOptions& options) {
  const bool token = !options.module.empty() || !options.token.empty() || !options.key.empty();
  if (options.pin && options.with != "tpm") {
    return usage_error("--pin belongs to --with tpm");
  }
  if (token && options.with != "pkcs11") {
    return usage_error("--module, --token and --key belong to --with pkcs11");
  }
  if (options.from_stdin && options.with != "passphrase") {
    return usage_error("--stdin belongs to --with passphrase");
  }
  return {};
}

}  // namespace

void drop_kept_key(const Context& context) {
  if (const auto ended = end_keeper(context.paths.data); ended && *ended) {
    notice(context, "locked: what was unlocked is asked for again");
  }
}

Status protect_by_passphrase(Context& context, bool from_stdin, std::string_view command) {
  AV_TRY(const Secret passphrase, new_passphrase(from_stdin, command));
  AV_CHECK(audited(context, action("key.passphrase", "", "set"),
                   [&] { return context.store->set_passphrase(passphrase); }));
  drop_kept_key(context);
  notice(context, "the store now opens with the passphrase; there is no way in without it");
  return {};
}

Status protect_key(Context& context, const ProtectOptions& options) {
  AV_CHECK(check_options(options));
  if (options.with == "passphrase") {
    return protect_by_passphrase(context, options.from_stdin, "key protect --with passphrase");
  }
  AV_TRY(const Way way, way_of(context, options));
  AV_CHECK(audited(context, action("key.protect", "", options.with),
                   [&] { return context.store->protect_key(*way.source, context.keyholder()); }));
  drop_kept_key(context);
  notice(context, "the store now opens with " + way.opens_with);
  return {};
}

}  // namespace av::cmd
