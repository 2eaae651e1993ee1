#include "cmd/config_file.h"

#include <openssl/crypto.h>

#include "core/fs.h"

namespace av::cmd {

Expected<toml::table> parse_config_file(const std::filesystem::path& file,
                                        const std::string& hint) {
  auto text = fs::read_file(file, std::size_t{1} << 20);
  if (!text) {
    return text.error().code == ErrorCode::kNotFound ? Expected<toml::table>(toml::table())
                                                     : text.error();
  }
  try {
    toml::table table = toml::parse(*text);
    OPENSSL_cleanse(text->data(), text->size());
    return table;
  } catch (const toml::parse_error& e) {
    return make_error(ErrorCode::kInvalid,
                      file.string() + ": line " + std::to_string(e.source().begin.line) + ": " +
                          std::string(e.description()),
                      hint);
  }
}

}  // namespace av::cmd
