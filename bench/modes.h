#pragma once
// The subcommands of av_bench. Each prints one line of JSON and returns; anything unexpected ends
// the program (common.h).

#include <cstdint>
#include <string>
#include <vector>

namespace av::bench {

struct RouteOptions {
  std::string target;
  std::string address;
  std::string proxy;
  std::string ca_file;
};

struct LoadOptions {
  RouteOptions route;
  std::string path = "/";
  int status = 200;
  std::int64_t length = -1;
  unsigned connections = 1;
  std::uint64_t requests = 1;
  unsigned warm_up = 1;          // requests of each connection before the measured ones
  unsigned pause_us = 0;         // before each request
  bool new_connections = false;  // one for each request
  std::vector<int> cpu_of;       // processes whose time is counted
};
// A closed loop: each connection sends its next request when the answer to the last is complete.
void run_load(const LoadOptions& options);

struct HoldOptions {
  RouteOptions route;
  std::string path = "/";
  std::int64_t length = -1;
  unsigned connections = 1;
};
// Opens the connections one after the other, one request on each, says so, waits for the end of
// standard input, then sends another on each: they must have stayed open.
void run_hold(const HoldOptions& options);

struct SseOptions {
  RouteOptions route;
  unsigned events = 100;
  unsigned gap_us = 5000;
};
// Reads events of run_sse_source() and compares the time in each with the clock.
void run_sse(const SseOptions& options);
// An upstream in clear: GET /sse/COUNT/GAP_US is answered with that many events, one in each gap,
// each stamped with the monotonic clock. Prints its port; serves until standard input ends.
void run_sse_source();

// Vault's Matcher alone, with this many services.
void run_match(std::uint64_t services);

// Policy::decide alone, with this many rules: for a host that only rules for every host concern,
// for one with a third of them, and there with a path that can be read in many ways.
void run_decide(std::uint64_t rules);

struct ScrubOptions {
  std::size_t value_size = 40;
  std::size_t piece_kib = 64;
};
// The proxy's Scrubber alone, on data without a hit.
void run_scrub(const ScrubOptions& options);

}  // namespace av::bench
