#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include "cmd/option_set.h"

#include "cmd/audit_action.h"
#include "cmd/cli.h"
#include "cmd/duration.h"
#include "cmd/env_secrets.h"
#include "cmd/kept_key.h"
#include "cmd/key_protect.h"
#include "cmd/output.h"
#include "cmd/remote_proxy.h"
#include "cmd/remote_store.h"
#include "cmd/store_ca.h"
#include "cmd/term.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

Expected<int> print_status(Context& context) {
  AV_TRY(const store::KeyStatus status, context.store->key_status());
  const std::string rotated = status.rotated_ms == 0 ? "never" : format_utc(status.rotated_ms);
  const auto kept = status.asks ? kept_for(context.paths.data, status.kek_id) : std::nullopt;
  if (context.json) {
    const Json json = {{"mode", to_string(status.mode)},
                       {"detail", status.detail},
                       {"generation", status.generation},
                       {"created", format_utc(status.created_ms)},
                       {"rotated", status.rotated_ms == 0 ? Json() : Json(rotated)},
                       {"asks", status.asks},
                       {"unlocked_s", kept ? Json(kept->count() / 1000) : Json()}};
    print(context.out, json.dump() + "\n");
    return 0;
  }
  print(context.out,
        "mode        " + std::string(to_string(status.mode)) + "\n" + "detail      " +
            status.detail + "\n" + "generation  " + std::to_string(status.generation) + "\n" +
            "created     " + format_utc(status.created_ms) + "\n" + "rotated     " + rotated +
            "\n" +
            (status.asks ? "unlocked    " + (kept ? "for another " + in_words(*kept) : "no") + "\n"
                         : std::string()));
  return 0;
}

Run setup_status(OptionSet&) {
  return print_status;
}

struct PassphraseOptions {
  bool remove = false;
  bool from_stdin = false;
};

Expected<int> set_passphrase(Context& context, const PassphraseOptions& options) {
  if (options.remove && options.from_stdin) {
    return usage_error("--remove and --stdin exclude one another");
  }
  if (options.remove) {
    AV_CHECK(audited(context, action("key.passphrase", "", "removed"),
                     [&] { return context.store->remove_passphrase(); }));
    drop_kept_key(context);
    notice(context, "the store now opens with the key file " + context.paths.key_file().string());
  } else {
    AV_CHECK(protect_by_passphrase(context, options.from_stdin, "key set-passphrase"));
  }
  return context.json ? print_status(context) : Expected<int>(0);
}

Run setup_set_passphrase(OptionSet& app) {
  const auto options = std::make_shared<PassphraseOptions>();
  app.add_flag("--remove", options->remove, "go back to a key file");
  app.add_flag("--stdin", options->from_stdin, "read the new passphrase from standard input");
  return [options](Context& context) { return set_passphrase(context, *options); };
}

Run setup_protect(OptionSet& app) {
  const auto options = std::make_shared<ProtectOptions>();
  app.add_option("--with", options->with, "file, passphrase, keyring, tpm or pkcs11")
      ->type_name("WAY")
      ->required();
  app.add_flag("--stdin", options->from_stdin, "read the new passphrase from standard input");
  app.add_flag("--pin", options->pin, "tpm: ask for a new PIN, which opens the store from then on");
  app.add_option("--module", options->module, "pkcs11: the library of the token, an absolute path")
      ->type_name("FILE");
  app.add_option("--token", options->token, "pkcs11: label of the token")->type_name("LABEL");
  app.add_option("--key", options->key, "pkcs11: label of the key on it, AES or RSA")
      ->type_name("LABEL");
  return [options](Context& context) -> Expected<int> {
    AV_CHECK(protect_key(context, *options));
    return context.json ? print_status(context) : Expected<int>(0);
  };
}

Run setup_rotate(OptionSet&) {
  return [](Context& context) -> Expected<int> {
    const bool show = ::isatty(STDERR_FILENO) == 1 && context.err == stderr;
    const auto progress = [&](std::uint64_t done, std::uint64_t total) {
      if (show && (done % 256 == 0 || done == total)) {
        std::fprintf(context.err, "\rre-sealing %llu of %llu%s",
                     static_cast<unsigned long long>(done), static_cast<unsigned long long>(total),
                     done == total ? "\n" : "");
      }
    };
    AV_CHECK(audited(context, action("key.rotate"),
                     [&] { return context.store->rotate_key(progress); }));
    if (context.json) {
      return print_status(context);
    }
    notice(context, "every value is sealed under a new key");
    return 0;
  };
}

void print_ca(const Context& context, const proxy::CertificateAuthority& ca, bool fingerprint) {
  if (context.json) {
    const Json json = {{"fingerprint_sha256", ca.fingerprint_sha256()},
                       {"not_after", format_utc(ca.not_after_ms())},
                       {"certificate", ca.certificate_pem()}};
    print(context.out, json.dump() + "\n");
  } else {
    print(context.out, fingerprint ? ca.fingerprint_sha256() + "\n" : ca.certificate_pem());
  }
}

// What the server shows, which is not yet what it should be: nothing is pinned by looking.
Expected<int> show_remote_ca(Context& context, bool fingerprint) {
  AV_TRY(const std::string pem, context.remote()->api().get("/v1/mitm/ca.pem"));
  AV_TRY(const std::string shown, fingerprint_of_pem(pem));
  if (context.json) {
    print(context.out, Json{{"fingerprint_sha256", shown}, {"certificate", pem}}.dump() + "\n");
  } else {
    print(context.out, fingerprint ? shown + "\n" : pem);
  }
  return 0;
}

Run setup_ca_show(OptionSet& app) {
  const auto fingerprint = std::make_shared<bool>(false);
  app.add_flag("--fingerprint", *fingerprint, "print the SHA-256 fingerprint instead");
  return [fingerprint](Context& context) -> Expected<int> {
    if (context.remote() != nullptr) {
      return show_remote_ca(context, *fingerprint);
    }
    AV_TRY(const proxy::CertificateAuthority ca, load_or_make_ca(context));
    print_ca(context, ca, *fingerprint);
    return 0;
  };
}

Run setup_ca_rotate(OptionSet&) {
  return [](Context& context) -> Expected<int> {
    AV_TRY(const proxy::CertificateAuthority ca, make_ca(context, "ca.rotate"));
    notice(context, "new certificate authority; remove the old one from trust stores");
    print_ca(context, ca, true);
    return 0;
  };
}

}  // namespace

std::span<const Command> key_commands() {
  static constexpr std::array<Command, 6> kCommands = {{
      {"key status", "what the store is locked with", Needs::kStore, setup_status, false, true},
      {"key protect", "lock the store with a file, passphrase, keyring, TPM or token",
       Needs::kStore, setup_protect, true, true},
      {"key set-passphrase", "lock the store with a passphrase", Needs::kStore,
       setup_set_passphrase, true, true},
      {"key rotate", "make a new key and re-seal everything", Needs::kStore, setup_rotate, true,
       true},
      {"ca show", "print the certificate of the authority", Needs::kStore, setup_ca_show, false},
      {"ca rotate", "make a new authority", Needs::kStore, setup_ca_rotate, true, true},
  }};
  return kCommands;
}

}  // namespace av::cmd
