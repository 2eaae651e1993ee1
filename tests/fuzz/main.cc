// Replays a corpus through a fuzz target's entry point, so that every input that once broke a
// parser is an ordinary test under any compiler. Each input also runs at every prefix: an
// incremental parser must survive a stream that ends anywhere.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/secret.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

// Prefixes of long inputs would cost quadratic time for no new branch.
constexpr std::size_t kPrefixLimit = 2048;

void run(const std::string& bytes) {
  // A copy of exactly this size: reading past the end is then visible to AddressSanitizer.
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

bool replay(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    std::fprintf(stderr, "cannot read %s\n", file.c_str());
    return false;
  }
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  run(bytes);
  for (std::size_t n = 0; n < std::min(bytes.size(), kPrefixLimit); ++n) {
    run(bytes.substr(0, n));
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  namespace stdfs = std::filesystem;
  if (av::init_secret_arena() == av::ArenaState::kFailed) {
    return 1;
  }
  std::vector<stdfs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (stdfs::is_directory(argv[i])) {
      for (const auto& entry : stdfs::recursive_directory_iterator(argv[i])) {
        if (entry.is_regular_file()) {
          files.push_back(entry.path());
        }
      }
    } else {
      files.emplace_back(argv[i]);
    }
  }
  std::sort(files.begin(), files.end());
  run(std::string());
  for (const stdfs::path& file : files) {
    if (!replay(file)) {
      return 1;
    }
  }
  std::printf("%zu inputs\n", files.size());
  return files.empty() ? 1 : 0;
}
