// av_bench: the load generator of the benchmarks, and the parts measured alone. scripts/bench
// drives it.
#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>

#include "common.h"
#include "core/secret.h"
#include "modes.h"

namespace av::bench {
namespace {

void add_route(CLI::App& app, RouteOptions& route) {
  app.add_option("--target", route.target, "HOST:PORT that requests are for")->required();
  app.add_option("--address", route.address, "ADDRESS:PORT of a TLS server to connect to");
  app.add_option("--connect", route.proxy,
                 "CONNECT proxy, http://user:password@ADDRESS:PORT; env: what HTTPS_PROXY says");
  app.add_option("--ca", route.ca_file, "the only roots that are trusted (PEM)")->required();
}

int run(int argc, char** argv) {
  CLI::App app("Load generator of agent-vault's benchmarks; prints one line of JSON.", "av_bench");
  app.require_subcommand(1);

  LoadOptions load;
  CLI::App* const load_app = app.add_subcommand("load", "closed loop of GET requests");
  add_route(*load_app, load.route);
  load_app->add_option("--path", load.path, "request target");
  load_app->add_option("--status", load.status, "the status that every answer must have");
  load_app->add_option("--length", load.length, "the length that every body must have");
  load_app->add_option("--connections", load.connections)->check(CLI::Range(1, 10'000));
  load_app->add_option("--requests", load.requests)->check(CLI::Range(1, 100'000'000));
  load_app->add_option("--warm-up", load.warm_up, "requests per connection that do not count");
  load_app->add_option("--pause-us", load.pause_us, "sleep before each request");
  load_app->add_flag("--new-connection-per-request", load.new_connections);
  load_app->add_option("--cpu-of", load.cpu_of, "processes whose CPU time is reported")
      ->delimiter(',');

  HoldOptions hold;
  CLI::App* const hold_app =
      app.add_subcommand("hold", "keep connections open until standard input ends");
  add_route(*hold_app, hold.route);
  hold_app->add_option("--path", hold.path, "request target");
  hold_app->add_option("--length", hold.length, "the length that every body must have");
  hold_app->add_option("--connections", hold.connections)->check(CLI::Range(1, 10'000));

  SseOptions sse;
  CLI::App* const sse_app = app.add_subcommand("sse", "delay of server-sent events");
  add_route(*sse_app, sse.route);
  sse_app->add_option("--events", sse.events)->check(CLI::Range(1, 1'000'000));
  sse_app->add_option("--gap-us", sse.gap_us, "time between two events");

  CLI::App* const source_app =
      app.add_subcommand("sse-source", "upstream of those events, in clear");

  std::uint64_t services = 1000;
  CLI::App* const match_app = app.add_subcommand("match", "time of one look-up of a service");
  match_app->add_option("--services", services)->check(CLI::Range(1, 10'000'000));

  std::uint64_t rules = 1000;
  CLI::App* const decide_app = app.add_subcommand("decide", "time of one decision under rules");
  decide_app->add_option("--rules", rules)->check(CLI::Range(0, 10'000'000));

  ScrubOptions scrub;
  CLI::App* const scrub_app = app.add_subcommand("scrub", "speed of the search for values");
  scrub_app->add_option("--value-size", scrub.value_size)->check(CLI::Range(12, 400));
  scrub_app->add_option("--piece-kib", scrub.piece_kib)->check(CLI::Range(1, 1024));

  CLI11_PARSE(app, argc, argv);
  ::signal(SIGPIPE, SIG_IGN);
  if (load_app->parsed()) {
    run_load(load);
  } else if (hold_app->parsed()) {
    run_hold(hold);
  } else if (sse_app->parsed()) {
    run_sse(sse);
  } else if (source_app->parsed()) {
    run_sse_source();
  } else if (match_app->parsed()) {
    run_match(services);
  } else if (decide_app->parsed()) {
    run_decide(rules);
  } else if (scrub_app->parsed()) {
    (void)init_secret_arena();
    run_scrub(scrub);
  }
  return 0;
}

}  // namespace
}  // namespace av::bench

int main(int argc, char** argv) {
  try {
    return av::bench::run(argc, argv);
  } catch (const std::exception& error) {
    av::bench::die(error.what());
  }
}
