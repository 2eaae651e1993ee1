#pragma once
// Secrets as people hand them over in files and pipes: `echo` and editors end them with a line feed
// that is no part of them.

#include "core/secret.h"

namespace av::cmd {

// One line feed at the end, which is what `echo` adds: what else there is belongs to the value.
void drop_final_newline(Secret& secret);
// All line feeds and carriage returns at the end, for what never has one.
void drop_final_newlines(Secret& secret);

}  // namespace av::cmd
