// The web pages: one HTML shell for every path of theirs, and its files.

#include <array>
#include <map>
#include <string>

#include "api/call.h"
#include "api/page_file.h"
#include "api/route.h"
#include "core/encoding.h"

namespace av::api {
namespace {

std::string_view type_of(std::string_view name) {
  struct Type {
    std::string_view ending;
    std::string_view type;
  };
  static constexpr std::array<Type, 7> kTypes = {{{".html", "text/html; charset=utf-8"},
                                                  {".js", "text/javascript; charset=utf-8"},
                                                  {".css", "text/css; charset=utf-8"},
                                                  {".svg", "image/svg+xml"},
                                                  {".png", "image/png"},
                                                  {".woff2", "font/woff2"},
                                                  {".json", "application/json"}}};
  for (const Type& type : kTypes) {
    if (name.ends_with(type.ending)) {
      return type.type;
    }
  }
  return "application/octet-stream";
}

const PageFile* find(std::string_view name) {
  for (const PageFile& file : page_files()) {
    if (file.name == name) {
      return &file;
    }
  }
  return nullptr;
}

// Strong: of the bytes.
const std::string& tag_of(const PageFile& file) {
  static std::map<std::string_view, std::string> known;  // the API's thread only
  std::string& tag = known[file.name];
  if (tag.empty()) {
    tag = '"' + encoding::hex(crypto::sha256(file.bytes)) + '"';
  }
  return tag;
}

Reply asset(Call& call) {
  const PageFile* const file = find(call.parts.back());
  if (file == nullptr) {
    return fault(404, "not_found", "there is no such file");
  }
  const std::string& tag = tag_of(*file);
  const bool same = call.request.field("if-none-match") == tag;
  proxy::LocalReply reply =
      text_reply(type_of(file->name), same ? std::string_view() : file->bytes, same ? 304 : 200);
  reply.fields.add("ETag", tag);
  reply.fields.add("Cache-Control", "no-cache");
  return reply;
}

Reply shell(Call& /*call*/) {
  const PageFile* const file = find("index.html");
  if (file == nullptr) {
    return fault(404, "not_found", "this build has no pages");
  }
  return text_reply(type_of(file->name), file->bytes);
}

constexpr std::string_view kPage = "@text/html";

}  // namespace

std::span<const Route> page_routes() {
  static constexpr std::array kRoutes = {
      Route{"GET", "/", "the web pages", Who::anybody(), Where::kRuns, shell, "", kPage},
      Route{"GET", "/login", "to sign in", Who::anybody(), Where::kRuns, shell, "", kPage},
      Route{"GET", "/setup", "to make the first owner", Who::anybody(), Where::kServe, shell, "",
            kPage},
      Route{"GET", "/account", "your own account", Who::anybody(), Where::kServe, shell, "", kPage},
      Route{"GET", "/instance", "people and settings", Who::anybody(), Where::kServe, shell, "",
            kPage},
      Route{"GET", "/invite/{token}", "to accept an invite", Who::anybody(), Where::kServe, shell,
            "", kPage},
      Route{"GET", "/approve/{id}", "to decide about a proposal", Who::anybody(), Where::kRuns,
            shell, "", kPage, "token"},
      Route{"GET", "/oauth/complete", "how connecting went", Who::anybody(), Where::kServe, shell,
            "", kPage, "attempt"},
      Route{"GET", "/vaults/{*}", "the pages of a vault", Who::anybody(), Where::kServe, shell, "",
            kPage},
      Route{"GET", "/assets/{*}", "files of the web pages", Who::anybody(), Where::kRuns, asset, "",
            "@application/octet-stream"},
  };
  return kRoutes;
}

}  // namespace av::api
