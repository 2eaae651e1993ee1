#include "cmd/output.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/clock.h"
#include "core/encoding.h"

namespace av::cmd {
namespace {

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

// Three dots in place of what does not fit.
std::string cut_in_the_middle(const std::string& text, std::size_t width) {
  constexpr std::size_t kDots = 3;
  const std::size_t size = width_of(text);
  if (size <= width || width <= kDots) {
    return text;
  }
  const std::size_t front = (width - kDots + 1) / 2;
  const std::size_t back = width - kDots - front;
  const auto place_of = [&](std::size_t character) {
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
      const bool begins = (static_cast<unsigned char>(text[at]) & 0xc0U) != 0x80U;
      if (begins && character-- == 0) {
        break;
      }
    }
    return at;
  };
  return text.substr(0, place_of(front)) + "..." + text.substr(place_of(size - back));
}

}  // namespace

void Table::add(std::vector<std::string> row) {
  for (std::string& cell : row) {
    cell = encoding::printable(cell);
  }
  rows_.push_back(std::move(row));
}

std::string Table::text(std::size_t width) const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  }
  const std::size_t whole = std::accumulate(widths.begin(), widths.end(), 2 * widths.size() - 2);
  if (shortened_ && width != 0 && whole > width) {
    constexpr std::size_t kLeast = 24;
    std::size_t& give = widths[*shortened_];
    give = std::min(give, std::max(kLeast, give - std::min(give, whole - width)));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = shortened_ == i ? cut_in_the_middle(row[i], widths[i]) : row[i];
      line += cell;
      if (i + 1 < row.size()) {
        line.append(widths[i] - width_of(cell) + 2, ' ');
      }
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

void Table::print(std::FILE* out) const {
  winsize size{};
  const int fd = ::fileno(out);
  const bool known = fd >= 0 && ::ioctl(fd, TIOCGWINSZ, &size) == 0;
  cmd::print(out, text(known ? size.ws_col : 0));
}

void print(std::FILE* out, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), out);
}

void notice(const Context& context, std::string_view text) {
  print(context.err, "agent-vault: " + std::string(text) + "\n");
}

void warn(const Context& context, std::string_view text) {
  print(context.err, "agent-vault: warning: " + std::string(text) + "\n");
}

void print_error(std::FILE* err, const Error& error, bool json) {
  if (json) {
    const nlohmann::ordered_json object = {
        {"error", to_string(error.code)}, {"message", error.message}, {"hint", error.hint}};
    print(err, object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return;
  }
  // Messages about files show the line and a caret below it: their line feeds are ours.
  std::string message;
  for (std::string_view rest = error.message; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    message += encoding::printable(rest.substr(0, end)) + "\n";
    rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
  }
  print(err, "agent-vault: error: " + message);
  if (!error.hint.empty()) {
    print(err, "agent-vault: hint: " + encoding::printable(error.hint) + "\n");
  }
}

Status print_secret(std::FILE* out, std::string_view bytes) {
  std::fflush(out);
  if (::fileno(out) >= 0) {  // a stream in memory is its buffer
    std::setvbuf(out, nullptr, _IONBF, 0);
  }
  if (std::fwrite(bytes.data(), 1, bytes.size(), out) != bytes.size() || std::fflush(out) != 0) {
    return errno_error(errno, "cannot write the value");
  }
  return {};
}

void append_json_value(SecretBuffer& out, std::string_view bytes) {
  if (encoding::is_utf8(bytes)) {
    out.append(R"("value":")");
    encoding::append_json_escaped(out, bytes);
  } else {
    out.append(R"("value_base64":")");
    encoding::append_base64(out, bytes);
  }
  out.push_back('"');
}

void append_printable(SecretBuffer& out, std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out.push_back(c);
    } else {
      const std::array<char, 4> escape = {'\\', 'x', kHex[byte >> 4U], kHex[byte & 15U]};
      out.append({escape.data(), escape.size()});
    }
  }
}

std::string show_time(std::int64_t wall_ms) {
  if (wall_ms == 0) {
    return "-";
  }
  std::string text = format_utc(wall_ms).substr(0, 19);
  text[10] = ' ';
  return text;
}

std::string count_of(std::uint64_t count, std::string_view singular) {
  return std::to_string(count) + " " + std::string(singular) + (count == 1 ? "" : "s");
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) {
      text += separator;
    }
    text += part;
  }
  return text;
}

}  // namespace av::cmd
