#include "unit/source/counterpart.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <map>
#include <memory>

#include "core/secret.h"

extern char** environ;

namespace av::test {
namespace {

using source::Failure;
using Why = source::Failure::Why;

std::string exchange(int port, const std::string& text) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!fd.valid() ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      !fs::write_all(fd.get(), text)) {
    return {};
  }
  std::string out;
  std::array<char, 4096> part;
  for (ssize_t got = 0; (got = ::read(fd.get(), part.data(), part.size())) > 0;) {
    out.append(part.data(), static_cast<std::size_t>(got));
    if (out.size() > 2 * source::kMostBody) {
      break;
    }
  }
  return out;
}

std::string field(const std::string& head, const std::string& name) {
  const std::size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) {
    return {};
  }
  const std::size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

class Process {
 public:
  explicit Process(const std::string& script) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
      return;
    }
    const UniqueFd read(pipe[0]);
    UniqueFd write(pipe[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, write.get(), 1);
    std::string path = std::string(AV_SOURCE_DIR) + "/tests/support/" + script;
    std::string python = "python3";
    std::array<char*, 3> arguments = {python.data(), path.data(), nullptr};
    if (::posix_spawnp(&pid_, "python3", &actions, nullptr, arguments.data(), environ) != 0) {
      pid_ = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
    write.reset();
    std::string line;
    for (char c = 0; ::read(read.get(), &c, 1) == 1 && c != '\n';) {
      line += c;
    }
    port_ = line.starts_with("READY ") ? std::atoi(line.c_str() + 6) : 0;
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGTERM);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  [[nodiscard]] int port() const { return port_; }

 private:
  pid_t pid_ = -1;
  int port_ = 0;
};

}  // namespace

source::Result<source::HttpAnswer> SocketHttp::send(const source::HttpRequest& request) {
  constexpr std::string_view kStart = "http://127.0.0.1:";
  if (!request.url.starts_with(kStart)) {
    return source::failure(Why::kUnreachable, "not there");
  }
  const std::size_t slash = request.url.find('/', kStart.size());
  const std::string port = request.url.substr(kStart.size(), slash - kStart.size());
  std::string text = request.method + " " + request.url.substr(slash) +
                     " HTTP/1.1\r\nHost: 127.0.0.1:" + port + "\r\nConnection: close\r\n" +
                     std::string(request.fields.view());
  if (!request.body.empty()) {
    text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  text += "\r\n" + std::string(request.body.view());
  const std::string answer = exchange(std::atoi(port.c_str()), text);
  const std::size_t end = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.") || end == std::string::npos) {
    return source::failure(Why::kMalformed, "the store answered with something that is not HTTP");
  }
  if (answer.size() - end > source::kMostBody) {
    return source::failure(Why::kMalformed, "the store answered with more than a megabyte");
  }
  const std::string head = answer.substr(0, end + 2);
  source::HttpAnswer out;
  out.status = std::atoi(head.c_str() + 9);
  out.content_type = field(head, "Content-Type");
  out.retry_after = field(head, "Retry-After");
  auto body = Secret::copy_of(std::string_view(answer).substr(end + 4));
  if (!body) {  // not REQUIRE: several threads ask
    return source::failure(Why::kMalformed, body.error().message);
  }
  out.body = std::move(*body);
  return out;
}

Counterpart::Counterpart(const std::string& script) {
  init_secret_arena();
  static std::map<std::string, std::unique_ptr<Process>> running;
  std::unique_ptr<Process>& process = running[script];
  if (!process) {
    process = std::make_unique<Process>(script);
    REQUIRE(process->port() != 0);
  }
  port_ = process->port();
  control("reset", nlohmann::json::object());
}

Counterpart::~Counterpart() {
  const nlohmann::json seen = look("requests");
  for (const auto& one : seen["requests"]) {
    INFO(one.dump());
    CHECK(one["secret_in_url"] == false);
  }
}

nlohmann::json Counterpart::ask(const std::string& method, const std::string& name,
                                const std::string& body) {
  source::HttpRequest request;
  request.method = method;
  request.url = url() + "/_control/" + name;
  request.fields.append("Content-Type: application/json\r\n");
  request.body.append(body);
  const auto answer = http.send(request);
  REQUIRE(answer);
  const std::string text =
      answer->body.reveal([](std::string_view bytes) { return std::string(bytes); });
  INFO(text);
  REQUIRE(answer->status == 200);
  return nlohmann::json::parse(text);
}

nlohmann::json Counterpart::control(const std::string& name, const nlohmann::json& body) {
  return ask("POST", name, body.dump());
}

nlohmann::json Counterpart::look(const std::string& name) {
  return ask("GET", name, {});
}

int Counterpart::count(const std::string& part) {
  int out = 0;
  const nlohmann::json seen = look("requests");
  for (const auto& one : seen["requests"]) {
    out += one["path"].get<std::string>().find(part) == std::string::npos ? 0 : 1;
  }
  return out;
}

}  // namespace av::test
