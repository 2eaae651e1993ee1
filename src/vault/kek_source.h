#pragma once
// KekSource: one way to keep the key-encryption key (KEK) that wraps a store's data key: a file, a
// passphrase, the desktop's keyring, a TPM, a token. The store knows no more of each than this.
//
// What a source needs to get at the KEK again is its descriptor: text that is not secret, opaque to
// the store, kept in the store's row and authenticated together with the wrapped data key. It is
// read before that can be checked, so a source takes it for what anybody could have written.
//
// A change of key survives a crash at any point by this order, which the store keeps:
//   protect()  no lock is held; people and devices may be slow. What it makes is durable when it
//              returns, beside what is there and without touching it.
//   place()    under the write lock, before the row that names the new KEK is committed.
//   settle()   under the write lock, after that commit; also when a store is opened and
//              unfinished() says so.
//   forget()   under the write lock, after the commit of a row that names another KEK.
//
// A source has no state that changes: one object may be used by several threads.

#include <functional>
#include <string>
#include <string_view>

#include "core/crypto.h"
#include "core/expected.h"
#include "core/secret.h"

namespace av::vault {

enum class Asked : std::uint8_t { kPassphrase, kTpmPin, kTokenPin };

struct KeyQuestion {
  Asked what = Asked::kPassphrase;
  std::string prompt;   // "PIN of the token 'work': "
  bool is_new = false;  // to be chosen, so asked twice
};

// Who opens the store, as far as a source may turn to them.
struct Keyholder {
  // kLocked, with what to do, when there is nobody to ask.
  std::function<Expected<Secret>(const KeyQuestion&)> ask;
  // Whether a program of the desktop may put a question on the screen.
  bool may_prompt = false;
};

// What the store's row says about a KEK.
struct KekRecord {
  std::string descriptor;
  crypto::Bytes kek_id;  // tells keys apart without telling anything about them
};

class KekSource {
 public:
  KekSource() = default;
  virtual ~KekSource() = default;
  KekSource(const KekSource&) = delete;
  KekSource& operator=(const KekSource&) = delete;

  // As the store's row and the command line spell it: "tpm".
  [[nodiscard]] virtual std::string_view mode() const = 0;

  struct Protected {
    Secret kek;  // crypto::kKeySize bytes
    std::string descriptor;
  };
  [[nodiscard]] virtual Expected<Protected> protect(const Keyholder& holder) const = 0;
  // `named`: the KEK that the row names until now, when it is one of this source.
  [[nodiscard]] virtual Status place(const Secret& /*kek*/, const KekRecord* /*named*/) const {
    return {};
  }
  // `named`: the KEK that the row names, when it is one of this source.
  [[nodiscard]] virtual Status settle(const KekRecord* /*named*/) const { return {}; }
  // Whether something lies about that settle() would put in order. Cheap.
  [[nodiscard]] virtual bool unfinished() const { return false; }
  // Removes what this source keeps of a KEK that no row names any more; fine when it is gone.
  [[nodiscard]] virtual Status forget(const KekRecord& /*record*/) const { return {}; }

  // kLocked, with what to do, when it cannot be had; kCorrupt for a descriptor that makes no sense.
  [[nodiscard]] virtual Expected<Secret> recover(const KekRecord& record,
                                                 const Keyholder& holder) const = 0;
  // Whether recover() asks a person for something.
  [[nodiscard]] virtual bool asks(const KekRecord& /*record*/) const { return false; }
  // For `key status`, on one line.
  [[nodiscard]] virtual std::string detail(const KekRecord& record) const = 0;
};

}  // namespace av::vault
