#pragma once
// Bitwarden by the Agent Access protocol: another device of the user's (aac listen) answers, item
// by item, over an end-to-end encrypted channel that a relay carries. Follows the crates of
// bitwarden/agent-access at v0.9.0, where they differ from protocol-v0.md; a preview upstream.
//
// One channel per store. Questions of several threads are open at once; each is known by its
// requestId. A new handshake is never made without a person: without a pre-shared key it would be
// with whomever the relay likes.

#include "source/kinds.h"

namespace av::source {

extern const Kind kBitwardenAccess;

}  // namespace av::source
