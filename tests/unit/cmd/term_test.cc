#include "cmd/term.h"

#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <string>

using namespace av;

namespace {

struct Session {
  std::string screen;
  int status = 0;
};

void read_until(int fd, std::string& screen, const std::string& mark) {
  char buffer[256];
  while (screen.find(mark) == std::string::npos) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got <= 0) {
      return;
    }
    screen.append(buffer, static_cast<std::size_t>(got));
  }
}

// Runs `body` in a child with a terminal of its own, types `keys` when it has asked.
template <typename F>
Session with_terminal(const std::string& keys, F body) {
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    ::alarm(10);
    ::_exit(body());
  }
  Session session;
  read_until(terminal, session.screen, "ask: ");
  REQUIRE(::write(terminal, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
  read_until(terminal, session.screen, "\x04never");
  ::waitpid(child, &session.status, 0);
  ::close(terminal);
  return session;
}

bool echoes() {
  struct termios now {};
  return ::tcgetattr(0, &now) == 0 && (now.c_lflag & ECHO) != 0 && (now.c_lflag & ICANON) != 0;
}

int expect(const std::string& value) {
  const auto read = cmd::read_hidden("ask: ");
  const bool same = read && read->reveal([&](std::string_view v) { return v == value; });
  return same && echoes() ? 0 : 1;
}

}  // namespace

TEST_CASE("term: a hidden value is read whole, edited, and never shown", "[cmd][term]") {
  init_secret_arena();
  const std::string long_value(9000, 'k');
  struct Case {
    std::string keys, value;
  };
  for (const Case& c : {Case{"canary\n", "canary"}, Case{"cana\x7f\x7fnary\r", "canary"},
                        Case{"wrong\x15"
                             "canary\n",
                             "canary"},
                        Case{"\n", ""},
                        Case{"caf\xc3\xa9\x7f\x7f"
                             "nary\n",
                             "canary"},
                        Case{long_value + "\n", long_value}}) {
    const Session session = with_terminal(c.keys, [&] { return expect(c.value); });
    CHECK(WIFEXITED(session.status));
    CHECK(WEXITSTATUS(session.status) == 0);
    CHECK(session.screen.find("canary") == std::string::npos);
    CHECK(session.screen.find("kkk") == std::string::npos);
  }
}

TEST_CASE("term: several pasted lines are refused and do not reach the shell", "[cmd][term]") {
  init_secret_arena();
  const Session session = with_terminal("line one\nline two\n", [] {
    const auto read = cmd::read_hidden("ask: ");
    return !read && read.error().code == ErrorCode::kInvalid ? 0 : 1;
  });
  CHECK(WIFEXITED(session.status));
  CHECK(WEXITSTATUS(session.status) == 0);
  CHECK(session.screen.find("line two") == std::string::npos);
}

TEST_CASE("term: Ctrl-C ends the program with the terminal as it was", "[cmd][term]") {
  init_secret_arena();
  const Session session = with_terminal("half\x03", [] {
    struct sigaction action {};
    action.sa_handler = [](int) { ::_exit(echoes() ? 42 : 43); };
    ::sigaction(SIGINT, &action, nullptr);
    return expect("never");
  });
  CHECK(WIFEXITED(session.status));
  CHECK(WEXITSTATUS(session.status) == 42);
}
