#include "vault/key_ring.h"

#include <initializer_list>

namespace av::vault {
namespace {

void append_big_endian(std::string& out, std::uint64_t value) {
  for (unsigned shift = 64; shift > 0; shift -= 8) {
    out.push_back(static_cast<char>((value >> (shift - 8)) & 0xffU));
  }
}

// Each field with its length before it, so that no two contexts have the same bytes. Changing this
// makes every sealed value unreadable.
std::string associated_data(const SealContext& context) {
  std::string out;
  for (const std::string_view field :
       {std::string_view("agent-vault/1"), context.scope, context.kind, context.name}) {
    append_big_endian(out, field.size());
    out.append(field);
  }
  append_big_endian(out, context.version);
  return out;
}

}  // namespace

Expected<KeyRing> KeyRing::generate() {
  AV_TRY(Secret key, crypto::random_secret(crypto::kKeySize));
  return KeyRing(std::move(key));
}

Expected<crypto::Bytes> KeyRing::seal(const SealContext& context,
                                      std::string_view plaintext) const {
  return crypto::seal(data_key_, plaintext, associated_data(context));
}

Expected<Secret> KeyRing::open(const SealContext& context,
                               std::span<const std::uint8_t> sealed) const {
  return crypto::open(data_key_, sealed, associated_data(context));
}

}  // namespace av::vault
