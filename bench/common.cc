#include "common.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <system_error>

namespace av::bench {

void die(const std::string& message) {
  std::fprintf(stderr, "av_bench: %s\n", message.c_str());
  // The sockets of a thousand tunnels need no orderly end.
  std::_Exit(1);
}

void die_errno(const std::string& what) {
  die(what + ": " + std::generic_category().message(errno));
}

std::uint64_t now_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(time.tv_nsec);
}

double cpu_seconds(const std::vector<int>& pids) {
  double ticks = 0;
  for (const int pid : pids) {
    const std::string path = "/proc/" + std::to_string(pid) + "/stat";
    std::ifstream file(path);
    std::string text;
    std::getline(file, text);
    // proc(5): the command's name is in parentheses and may hold any byte; utime and stime are the
    // 12th and 13th fields behind it.
    const std::size_t paren = text.rfind(')');
    if (paren == std::string::npos) {
      die("cannot read " + path);
    }
    std::istringstream fields(text.substr(paren + 1));
    std::string skipped;
    for (int i = 0; i < 11; ++i) {
      fields >> skipped;
    }
    double user = 0;
    double system = 0;
    if (!(fields >> user >> system)) {
      die("cannot make sense of " + path);
    }
    ticks += user + system;
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double own_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double Samples::quantile_us(double share) {
  if (ns_.empty()) {
    return 0;
  }
  std::sort(ns_.begin(), ns_.end());
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(ns_.size())));
  return static_cast<double>(ns_[std::clamp<std::size_t>(rank, 1, ns_.size()) - 1]) * 1e-3;
}

void JsonLine::key(std::string_view name) {
  text_ += text_.empty() ? "{\"" : ",\"";
  text_ += name;
  text_ += "\":";
}

void JsonLine::number(std::string_view name, double value) {
  key(name);
  std::array<char, 40> digits{};
  std::snprintf(digits.data(), digits.size(), "%.6f", value);
  text_ += digits.data();
}

void JsonLine::count(std::string_view name, std::uint64_t value) {
  key(name);
  text_ += std::to_string(value);
}

void JsonLine::print() {
  std::printf("%s}\n", text_.empty() ? "{" : text_.c_str());
  std::fflush(stdout);
}

}  // namespace av::bench
