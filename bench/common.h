#pragma once
// What the parts of av_bench share. It is a tool that measures: the first thing that is not as
// expected ends it with a message and exit code 1, so that no figure comes from a failing run.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace av::bench {

// Prints "av_bench: MESSAGE" and exits. Safe to call from anywhere in this program.
[[noreturn]] void die(const std::string& message);
// The same with the text of errno.
[[noreturn]] void die_errno(const std::string& what);

// CLOCK_MONOTONIC, which all processes of one machine share.
[[nodiscard]] std::uint64_t now_ns();

// User and system time that these processes have used so far: what /proc/PID/stat tells in
// hundredths of a second, from the clock behind it. A process that is gone ends the program.
[[nodiscard]] double cpu_seconds(const std::vector<int>& pids);
// This process's own.
[[nodiscard]] double own_cpu_seconds();

// Durations of single operations. All are kept: a run is bounded by its number of requests.
class Samples {
 public:
  void reserve(std::size_t n) { ns_.reserve(n); }
  void add(std::uint64_t ns) { ns_.push_back(ns); }
  [[nodiscard]] std::size_t size() const { return ns_.size(); }
  // The smallest sample that at least this share of all samples does not exceed, in microseconds.
  [[nodiscard]] double quantile_us(double share);

 private:
  std::vector<std::uint64_t> ns_;
};

// One flat JSON object, printed as a line. Keys and values are this program's own: nothing needs
// escaping.
class JsonLine {
 public:
  void number(std::string_view key, double value);
  void count(std::string_view key, std::uint64_t value);
  void print();

 private:
  void key(std::string_view name);
  std::string text_;
};

}  // namespace av::bench
