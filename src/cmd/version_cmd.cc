#include <brotli/decode.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "cmd/cli.h"
#include "cmd/output.h"
#include "cmd/version.h"

namespace av::cmd {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view compiler_name() {
#if defined(__clang__)
  return "Clang " __clang_version__;
#elif defined(__GNUC__)
  return "GCC " __VERSION__;
#else
  return "unknown";
#endif
}

constexpr std::string_view architecture() {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "other";
#endif
}

// 0xMMMmmmppp, twelve bits each (brotli/decode.h).
std::string brotli_version() {
  const std::uint32_t packed = ::BrotliDecoderVersion();
  return std::to_string(packed >> 24) + "." + std::to_string(packed >> 12 & 0xfff) + "." +
         std::to_string(packed & 0xfff);
}

Run set_up(OptionSet& /*app*/) {
  return [](Context& context) -> Expected<int> {
    print_version(context);
    return 0;
  };
}

constexpr std::array kCommands{
    Command{"version", "print the version, and what this program is made of", Needs::kNothing,
            &set_up},
};

}  // namespace

std::vector<LibraryVersion> library_versions() {
  return {{"Brotli", brotli_version()},
          {"nghttp2", ::nghttp2_version(0)->version_str},
          {"OpenSSL", ::OpenSSL_version(OPENSSL_VERSION_STRING)},
          {"SQLite", ::sqlite3_libversion()},
          {"zlib", ::zlibVersion()},
          {"Zstandard", ::ZSTD_versionString()}};
}

void print_version(const Context& context) {
  const std::string_view commit = build_commit();
  if (context.json) {
    Json libraries = Json::object();
    for (const LibraryVersion& library : library_versions()) {
      libraries[library.name] = library.version;
    }
    const Json facts = {{"version", AV_VERSION},
                        {"commit", commit.empty() ? Json(nullptr) : Json(commit)},
                        {"compiler", compiler_name()},
                        {"architecture", architecture()},
                        {"libraries", std::move(libraries)}};
    print(context.out, facts.dump() + "\n");
    return;
  }
  std::string text = "agent-vault " AV_VERSION "\n";
  const auto row = [&text](std::string_view name, std::string_view value) {
    constexpr std::size_t kWidth = 14;
    text += std::string(name) + std::string(kWidth - name.size(), ' ') + std::string(value) + "\n";
  };
  row("commit", commit.empty() ? "none" : commit);
  row("compiler", compiler_name());
  row("architecture", architecture());
  for (const LibraryVersion& library : library_versions()) {
    row(library.name, library.version);
  }
  print(context.out, text);
}

std::span<const Command> version_commands() {
  return kCommands;
}

}  // namespace av::cmd
