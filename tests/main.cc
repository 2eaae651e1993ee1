#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#include "core/secret.h"

int main(int argc, char** argv) {
  // Once, before any thread, as the program itself does it.
  if (av::init_secret_arena() == av::ArenaState::kFailed) {
    return 1;
  }
  return Catch::Session().run(argc, argv);
}
