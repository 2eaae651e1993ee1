#include "cmd/narrow_options.h"

#include <algorithm>

#include "cmd/cli.h"
#include "cmd/duration.h"
#include "core/ascii.h"

namespace av::cmd {

void add_narrow_options(OptionSet& app, NarrowOptions& options) {
  app.add_option("--service", options.service, "which service to narrow, when there are several")
      ->type_name("NAME");
  app.add_option("--host", options.host, "this host only, of those that were asked for")
      ->type_name("HOST[:PORT]");
  app.add_option("--path", options.path, "this path only, like /v1/charges/*")->type_name("PATH");
  app.add_option("--methods", options.methods, "these methods only, like GET,HEAD")
      ->type_name("METHODS");
  app.add_option("--for", options.time, "for a time only: 30m, 2h, 7d")->type_name("TIME");
  app.add_option("--uses", options.uses, "for so many requests only")->positive();
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> out;
  for (const std::string_view word : ascii::words(text, ", ")) {
    out.emplace_back(word);
    std::transform(word.begin(), word.end(), out.back().begin(),
                   [](char c) { return ascii::upper(c); });
  }
  return out;
}

Expected<vault::Narrowing> narrowing_of(const NarrowOptions& options) {
  vault::Narrowing out;
  vault::ServiceNarrowing service;
  service.name = options.service;
  service.host = options.host;
  service.path = options.path;
  service.methods = split_words(options.methods);
  if (!options.methods.empty() && service.methods.empty()) {
    return usage_error("--methods names no method", "like GET,HEAD");
  }
  const bool narrows = !service.host.empty() || !service.path.empty() || !service.methods.empty();
  if (narrows) {
    out.services.push_back(std::move(service));
  } else if (!options.service.empty()) {
    return usage_error("--service needs --host, --path or --methods beside it");
  }
  if (!options.time.empty()) {
    AV_TRY(const Millis time, parse_duration(options.time));
    out.for_ms = time.count();
  }
  if (options.uses > vault::ProposalLimits::kUses) {
    return usage_error("--uses takes 10000 at most");
  }
  out.uses = static_cast<std::uint32_t>(options.uses);
  return out;
}

}  // namespace av::cmd
