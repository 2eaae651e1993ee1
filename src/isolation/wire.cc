#include "isolation/wire.h"

#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <cstring>

namespace av::isolation {
namespace {

struct Header {
  std::uint32_t type;
  std::int32_t value;
  std::uint64_t size;
};

// An argument list and an environment are at most a few megabytes (ARG_MAX).
constexpr std::uint64_t kMaxPayload = std::uint64_t{64} << 20;

bool send_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t put = ::send(fd, data, size, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put <= 0) {
      return false;
    }
    data += put;
    size -= static_cast<std::size_t>(put);
  }
  return true;
}

bool receive_all(int fd, char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::recv(fd, data, size, 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    data += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

void put_size(SecretBuffer& out, std::uint64_t size) {
  char bytes[sizeof size];
  std::memcpy(bytes, &size, sizeof size);
  out.append(std::string_view(bytes, sizeof bytes));
}

void put(SecretBuffer& out, std::string_view text) {
  put_size(out, text.size());
  out.append(text);
}

void put_paths(SecretBuffer& out, const std::vector<std::filesystem::path>& paths) {
  put_size(out, paths.size());
  for (const auto& path : paths) {
    put(out, path.native());
  }
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool size(std::uint64_t& out) {
    if (rest_.size() < sizeof out) {
      return false;
    }
    std::memcpy(&out, rest_.data(), sizeof out);
    rest_.remove_prefix(sizeof out);
    return true;
  }
  bool text(std::string_view& out) {
    std::uint64_t length = 0;
    if (!size(length) || length > rest_.size()) {
      return false;
    }
    out = rest_.substr(0, static_cast<std::size_t>(length));
    rest_.remove_prefix(static_cast<std::size_t>(length));
    return true;
  }
  bool paths(std::vector<std::filesystem::path>& out) {
    std::uint64_t count = 0;
    std::string_view one;
    if (!size(count)) {
      return false;
    }
    for (; count > 0; --count) {
      if (!text(one)) {
        return false;
      }
      out.emplace_back(one);
    }
    return true;
  }
  [[nodiscard]] bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace

bool send_message(int fd, MessageType type, int value, std::string_view payload) {
  const Header header{static_cast<std::uint32_t>(type), value, payload.size()};
  return send_all(fd, reinterpret_cast<const char*>(&header), sizeof header) &&
         send_all(fd, payload.data(), payload.size());
}

bool receive_message(int fd, Message& message) {
  Header header{};
  if (!receive_all(fd, reinterpret_cast<char*>(&header), sizeof header) ||
      header.size > kMaxPayload) {
    return false;
  }
  message.type = static_cast<MessageType>(header.type);
  message.value = header.value;
  message.payload.clear();
  char chunk[4096];
  std::uint64_t left = header.size;
  message.payload.reserve(static_cast<std::size_t>(left));
  while (left > 0) {
    const std::size_t now = left < sizeof chunk ? static_cast<std::size_t>(left) : sizeof chunk;
    if (!receive_all(fd, chunk, now)) {
      return false;
    }
    message.payload.append(std::string_view(chunk, now));
    left -= now;
  }
  explicit_bzero(chunk, sizeof chunk);
  return true;
}

SecretBuffer encode(const LaunchSpec& spec) {
  SecretBuffer out;
  put_size(out, spec.argv.size());
  for (const std::string& argument : spec.argv) {
    put(out, argument);
  }
  put_size(out, static_cast<std::uint64_t>(spec.program + 1));
  put(out, spec.environment.view());
  put(out, spec.cwd);
  put(out, spec.run_id);
  put_paths(out, spec.hidden);
  put_size(out, spec.masked.size());
  for (const auto& mask : spec.masked) {
    put(out, mask.target.native());
    put(out, mask.replacement.native());
  }
  for (const auto* const list : {&spec.files.writable, &spec.files.scratch, &spec.files.emptied,
                                 &spec.files.guarded, &spec.files.kept}) {
    put_paths(out, *list);
  }
  put(out, spec.files.runtime.native());
  put_size(out, spec.own_abstract_sockets ? 1 : 0);
  return out;
}

bool decode(std::string_view bytes, LaunchSpec& spec) {
  Reader in(bytes);
  std::uint64_t count = 0;
  std::string_view text;
  std::string_view other;
  if (!in.size(count)) {
    return false;
  }
  for (; count > 0; --count) {
    if (!in.text(text)) {
      return false;
    }
    spec.argv.emplace_back(text);
  }
  std::string_view run_id;
  std::uint64_t program = 0;
  if (!in.size(program) || program > INT_MAX) {
    return false;
  }
  spec.program = static_cast<int>(program) - 1;
  if (!in.text(text) || !in.text(other) || !in.text(run_id) || !in.paths(spec.hidden) ||
      !in.size(count)) {
    return false;
  }
  spec.environment.append(text);
  spec.cwd = other;
  spec.run_id = run_id;
  for (; count > 0; --count) {
    if (!in.text(text) || !in.text(other)) {
      return false;
    }
    spec.masked.push_back({text, other});
  }
  for (auto* const list : {&spec.files.writable, &spec.files.scratch, &spec.files.emptied,
                           &spec.files.guarded, &spec.files.kept}) {
    if (!in.paths(*list)) {
      return false;
    }
  }
  if (!in.text(text)) {
    return false;
  }
  spec.files.runtime = text;
  std::uint64_t own_abstract_sockets = 0;
  if (!in.size(own_abstract_sockets)) {
    return false;
  }
  spec.own_abstract_sockets = own_abstract_sockets != 0;
  return in.done();
}

}  // namespace av::isolation
