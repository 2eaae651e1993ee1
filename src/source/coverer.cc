#include "source/coverer.h"

#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace av::source {
namespace {

constexpr std::string_view kExited = "exit ";
constexpr std::string_view kNotRun = "exec ";
constexpr std::string_view kRefused = "none ";

bool read_all(int fd, char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::read(fd, to, size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::optional<Verdict> numbered(Verdict::What what, std::string_view text) {
  Verdict out;
  out.what = what;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.value);
  const bool good = error == std::errc() && end == text.data() + text.size() && out.value >= 0;
  return good ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace

void append_frame(SecretBuffer& out, std::string_view content) {
  std::uint64_t size = content.size();
  for (int i = 0; i < 8; ++i, size >>= 8U) {
    out.push_back(static_cast<char>(size & 0xffU));
  }
  out.append(content);
}

std::optional<SecretBuffer> read_frame(int fd) {
  std::array<char, 8> head;
  if (!read_all(fd, head.data(), head.size())) {
    return std::nullopt;
  }
  std::uint64_t left = 0;
  for (auto byte = head.rbegin(); byte != head.rend(); ++byte) {
    left = (left << 8U) | static_cast<unsigned char>(*byte);
  }
  if (left > kMostTold) {
    return std::nullopt;
  }
  SecretBuffer out;
  out.reserve(static_cast<std::size_t>(left));
  std::array<char, 4096> chunk;
  while (left > 0) {
    const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk.size()));
    if (!read_all(fd, chunk.data(), now)) {
      return std::nullopt;
    }
    out.append(std::string_view(chunk.data(), now));
    left -= now;
  }
  OPENSSL_cleanse(chunk.data(), chunk.size());
  return out;
}

std::string to_text(const Verdict& verdict) {
  switch (verdict.what) {
    case Verdict::What::kExited:
      return std::string(kExited) + std::to_string(verdict.value);
    case Verdict::What::kNotRun:
      return std::string(kNotRun) + std::to_string(verdict.value);
    case Verdict::What::kRefused:
      break;
  }
  return std::string(kRefused) + one_line(verdict.text) + "\n" + one_line(verdict.hint);
}

std::optional<Verdict> verdict_of(std::string_view text) {
  if (text.starts_with(kExited)) {
    return numbered(Verdict::What::kExited, text.substr(kExited.size()));
  }
  if (text.starts_with(kNotRun)) {
    return numbered(Verdict::What::kNotRun, text.substr(kNotRun.size()));
  }
  if (!text.starts_with(kRefused)) {
    return std::nullopt;
  }
  text.remove_prefix(kRefused.size());
  const std::size_t end = std::min(text.find('\n'), text.size());
  Verdict out;
  out.text = text.substr(0, end);
  out.hint = text.substr(std::min(end + 1, text.size()));
  return out;
}

}  // namespace av::source
