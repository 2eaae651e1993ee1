#pragma once
// Bitwarden Secrets Manager, by an access token of a machine account: the protocol of bws and the
// SDKs (bitwarden/sdk-internal, 2026): login with client credentials, the organization's key out of
// the login's sealed payload, and secrets that only that key opens.
//
// A server cannot read or make up a secret. It can hand out one secret's value for another's
// identifier, as identifiers are not sealed; a reference by name is checked against the sealed
// name.

#include "source/kinds.h"

namespace av::source {

extern const Kind kBitwardenSm;

}  // namespace av::source
