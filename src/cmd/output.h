#pragma once
// What commands print: tables for people, JSON for programs, words on stderr.

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/command.h"
#include "core/error.h"
#include "core/secret.h"

namespace av::cmd {

// Columns as wide as their widest cell, two spaces between. Cells are made printable. On a terminal
// one column may give way, so that rows do not break.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row);
  // The cells of this column are cut in their middle where a row is wider than the terminal: of a
  // URL, host and end are what one looks for. Elsewhere (pipes, files) nothing is cut.
  void shorten(std::size_t column) { shortened_ = column; }
  [[nodiscard]] bool empty() const { return rows_.size() == 1; }
  void print(std::FILE* out) const;
  // The same for a width; 0: none.
  [[nodiscard]] std::string text(std::size_t width) const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::optional<std::size_t> shortened_;
};

void print(std::FILE* out, std::string_view text);
// "agent-vault: <text>" on stderr.
void notice(const Context& context, std::string_view text);
void warn(const Context& context, std::string_view text);

// The error as main shows it: two lines, or one JSON object.
void print_error(std::FILE* err, const Error& error, bool json);

// Writes bytes of a secret without leaving a copy in the stream's buffer. kIo when it fails.
[[nodiscard]] Status print_secret(std::FILE* out, std::string_view bytes);

// `"value":"..."`, or `"value_base64":"..."` when the bytes are not UTF-8.
void append_json_value(SecretBuffer& out, std::string_view bytes);
// For a table: everything but printable ASCII as \xNN.
void append_printable(SecretBuffer& out, std::string_view bytes);

// 2026-01-31 08:09:10; "-" for 0.
[[nodiscard]] std::string show_time(std::int64_t wall_ms);
// 1 vault, 2 vaults
[[nodiscard]] std::string count_of(std::uint64_t count, std::string_view singular);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace av::cmd
