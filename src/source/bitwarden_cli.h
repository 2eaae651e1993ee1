#pragma once
// Bitwarden by its own CLI, `bw` (@bitwarden/cli 2026.6): run for each question, or `bw serve`,
// which a person has started, asked over HTTP on this machine.

#include "source/kinds.h"

namespace av::source {

extern const Kind kBitwardenCli;

}  // namespace av::source
