#include "common.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <system_error>

namespace av::bench {
namespace {

double to_seconds(const timespec& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

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
  double seconds = 0;
  for (const int pid : pids) {
    clockid_t clock{};
    timespec time{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
      die("cannot tell the CPU time of process " + std::to_string(pid));
    }
    seconds += to_seconds(time);
  }
  return seconds;
}

double own_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return to_seconds(time);
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
