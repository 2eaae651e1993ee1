// Parts of the program measured alone: what a look-up and a searched byte cost, without sockets.
#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "common.h"
#include "modes.h"
#include "proxy/pattern_set.h"
#include "vault/matcher.h"

namespace av::bench {
namespace {

// CPU time, not wall time: these run on machines that have other things to do.
constexpr double kRunSeconds = 0.3;
constexpr std::size_t kRequests = 65'536;  // different ones

// The same data in every run: what is compared is the program, not the luck of the draw.
std::mt19937_64 generator() {
  return std::mt19937_64(20260101);  // NOLINT: a fixed seed is the point
}

std::string host_of(std::uint64_t i) {
  return "host" + std::to_string(i) + ".example.com";
}

// A fifth of the hosts has a service for a path too, a tenth are wildcards.
std::vector<vault::Service> make_services(std::uint64_t count) {
  std::vector<vault::Service> services;
  services.reserve(count);
  for (std::uint64_t i = 0; services.size() < count; ++i) {
    vault::Service service;
    service.name = "service" + std::to_string(i);
    service.host = i % 10 == 9 ? "*." + host_of(i) : host_of(i);
    service.auth = vault::BearerAuth{"TOKEN"};
    services.push_back(service);
    if (i % 5 == 0 && services.size() < count) {
      service.name += "-path";
      service.path = "/v1/*";
      services.push_back(service);
    }
  }
  return services;
}

vault::RequestIdentity request_for(const vault::Service& service) {
  vault::RequestIdentity request;
  request.authority.host =
      service.host.starts_with("*.") ? "api" + service.host.substr(1) : service.host;
  request.authority.port = 443;
  request.method = "POST";
  request.target.path = service.path.empty() ? "/chat/completions" : "/v1/chat/completions";
  return request;
}

double ns_per_find(const vault::Matcher& matcher,
                   const std::vector<vault::RequestIdentity>& requests) {
  std::uint64_t found = 0;
  std::uint64_t done = 0;
  const double began = own_cpu_seconds();
  double elapsed = 0;
  while (elapsed < kRunSeconds) {
    // Reading the clock is a system call: not after every few look-ups.
    for (std::size_t passes = 0; passes <= kRequests / requests.size(); ++passes) {
      for (const vault::RequestIdentity& request : requests) {
        found += matcher.find(request) != nullptr ? 1 : 0;
      }
      done += requests.size();
    }
    elapsed = own_cpu_seconds() - began;
  }
  if (found != done) {
    die("a look-up that should have found its service did not");
  }
  return elapsed * 1e9 / static_cast<double>(done);
}

std::string base64_text(std::size_t size) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto random = generator();
  std::string text;
  while (text.size() < size) {
    text.push_back(kAlphabet[random() % kAlphabet.size()]);
  }
  return text;
}

// As a model's answer looks on the wire: short lines of JSON with escapes.
std::string json_text(std::size_t size) {
  static constexpr std::array<std::string_view, 6> kWords = {
      "the answer",          "std::string_view", "caf\\u00e9",
      "line one\\nline two", "say \\\"yes\\\"",  "C:\\\\temp"};
  auto random = generator();
  std::string text;
  while (text.size() < size) {
    text += R"({"id":")" + std::to_string(random()) + R"(","index":)" +
            std::to_string(random() % 100) + R"(,"delta":{"content":")";
    for (int i = 0; i < 6; ++i) {
      text += kWords[random() % kWords.size()];
      text += ' ';
    }
    text += "\"}}\n";
  }
  text.resize(size);
  return text;
}

std::string binary(std::size_t size) {
  auto random = generator();
  std::string bytes;
  while (bytes.size() < size) {
    bytes.push_back(static_cast<char>(random() & 0xffU));
  }
  return bytes;
}

double gigabytes_per_second(const proxy::PatternSet& patterns, std::string data,
                            std::size_t piece) {
  proxy::Scrubber scrubber(patterns);
  std::uint64_t bytes = 0;
  std::uint64_t out = 0;
  const double began = own_cpu_seconds();
  double elapsed = 0;
  while (elapsed < kRunSeconds) {
    for (std::size_t at = 0; at + piece <= data.size(); at += piece) {
      out += scrubber.feed(std::span(data.data() + at, piece), /*last=*/false).size();
      bytes += piece;
    }
    elapsed = own_cpu_seconds() - began;
  }
  if (scrubber.hits() != 0 || out == 0) {
    die("clean data was not passed as it is");
  }
  return static_cast<double>(bytes) * 1e-9 / elapsed;
}

}  // namespace

void run_match(std::uint64_t count) {
  const std::vector<vault::Service> services = make_services(count);
  const vault::Matcher matcher(services);
  auto random = generator();
  std::vector<vault::RequestIdentity> requests;
  for (std::size_t i = 0; i < kRequests; ++i) {
    requests.push_back(request_for(services[random() % services.size()]));
  }
  // An agent talks to few hosts; the second figure is what a look-up costs when nothing that it
  // touches is in the processor's caches.
  constexpr std::size_t kFew = 16;
  const std::vector<vault::RequestIdentity> few(requests.begin(), requests.begin() + kFew);
  JsonLine line;
  line.count("services", count);
  line.number("few_hosts_ns", ns_per_find(matcher, few));
  line.number("all_hosts_ns", ns_per_find(matcher, requests));
  line.print();
}

void run_scrub(const ScrubOptions& options) {
  // Like a real key, and made of characters that the data has: the search must not be made easy.
  const std::string value = "sk-proj-" + base64_text(options.value_size - 8);
  proxy::PatternSet patterns;
  patterns.add_value(value);
  patterns.compile();
  const std::size_t piece = options.piece_kib << 10U;
  const std::size_t size = std::size_t{4} << 20U;
  JsonLine line;
  line.count("value_size", options.value_size);
  line.count("piece", piece);
  line.number("base64_gb_s", gigabytes_per_second(patterns, base64_text(size), piece));
  line.number("json_gb_s", gigabytes_per_second(patterns, json_text(size), piece));
  line.number("binary_gb_s", gigabytes_per_second(patterns, binary(size), piece));
  line.print();
}

}  // namespace av::bench
