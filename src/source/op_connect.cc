#include "source/op_connect.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/ascii.h"
#include "core/encoding.h"
#include "source/op_connect_item.h"
#include "source/op_items.h"
#include "source/op_reference.h"
#include "source/program_setting.h"
#include "source/store_url.h"
#include "vault/json_view.h"

namespace av::source {
namespace {

using vault::JsonDocument;
using vault::JsonView;

constexpr std::size_t kMostToken = std::size_t{8} << 10;
constexpr std::int64_t kMinute = 60'000;
constexpr std::string_view kCodes = "?attribute=otp";

constexpr std::array kSettings = {Setting{.name = "url",
                                          .help = "URL of the Connect server",
                                          .required = true,
                                          .variable = "OP_CONNECT_HOST"},
                                  Setting{.name = "token",
                                          .help = "access token for the Connect server",
                                          .secret = true,
                                          .required = true,
                                          .variable = "OP_CONNECT_TOKEN"}};

// A value of a SCIM filter (RFC 7644 section 3.4.2.2: a JSON string), percent-encoded as part of a
// query.
std::string filter_query(std::string_view attribute, std::string_view value) {
  return "?filter=" + encoding::percent(std::string(attribute) + " eq \"" +
                                        encoding::json_escaped(value) + "\"");
}

Failure malformed() {
  return failure(Failure::Why::kMalformed, "the Connect server's answer cannot be read",
                 "is the URL that of a Connect server?");
}

// {"status": 403, "message": "vault ... is not in scope"}; of anything else, nothing.
std::string error_words(const Secret& body) {
  return body.reveal([](std::string_view bytes) -> std::string {
    const auto document = JsonDocument::parse(bytes);
    return document ? excerpt(text_member(document->root(), "message")) : std::string();
  });
}

std::int64_t seconds_ms(std::string_view text) {
  std::int64_t out = 0;
  for (const char c : text) {
    if (!ascii::is_digit(c) || out > 36'000) {
      return kMinute;
    }
    out = out * 10 + (c - '0');
  }
  return std::clamp<std::int64_t>(out * 1'000, 1'000, 60 * kMinute);
}

Failure refusal(const HttpAnswer& answer) {
  const std::string words = error_words(answer.body);
  const std::string said = "the Connect server says " + std::to_string(answer.status) +
                           (words.empty() ? "" : ": " + words);
  if (answer.status == 401) {
    return failure(Failure::Why::kDenied, said,
                   "make a new access token, and pair the store again");
  }
  if (answer.status == 403) {
    return failure(Failure::Why::kDenied, said, "give the access token this vault");
  }
  if (answer.status == 404) {
    return failure(Failure::Why::kNotFound, said);
  }
  if (answer.status == 429 || answer.status == 503) {
    Failure out = failure(Failure::Why::kBusy, said);
    out.retry_ms = seconds_ms(answer.retry_after);
    return out;
  }
  if (answer.status >= 500) {
    return failure(Failure::Why::kUnreachable, said, "look at the logs of its two containers");
  }
  if (answer.status == 400) {
    return failure(Failure::Why::kInvalid, said);
  }
  return failure(Failure::Why::kMalformed, said, "is the URL that of a Connect server?");
}

class Connect final : public Provider {
 public:
  Connect(std::string url, Secret token, const Ports& ports)
      : url_(std::move(url)), token_(std::move(token)), ports_(ports) {}

  Result<About> pair() override { return who(); }
  Result<About> test() override { return who(); }

  Result<Record> fetch(const std::string& item) override {
    std::string_view rest = item;
    const bool codes = rest.ends_with(kCodes);
    if (codes) {
      rest.remove_suffix(kCodes.size());
    }
    const std::size_t slash = rest.find('/');
    const std::string vault_name(rest.substr(0, slash));
    const std::string item_name(slash == std::string_view::npos ? "" : rest.substr(slash + 1));
    AV_TRY(const Secret full, whole_item(vault_name, item_name));
    auto record = full.reveal([&](std::string_view bytes) -> Result<Record> {
      const auto document = JsonDocument::parse(bytes);
      if (!document || !document->root().is(JsonView::Kind::kObject)) {
        return malformed();
      }
      return connect_record(document->root(), codes);
    });
    if (record && codes) {
      record->keep_ms = until_next_code(ports_.clock->wall_ms());
    }
    return record;
  }

  Result<std::vector<Listed>> list(const std::string& reference) override {
    if (reference.empty()) {
      AV_TRY(const Secret vaults, get("/v1/vaults"));
      return read(vaults, [](const JsonView& root) { return op_vaults(root); });
    }
    AV_TRY(const OpReference above, parse_op_folder(reference));
    if (above.item.empty()) {
      AV_TRY(const std::string vault_id, vault_id_of(above.vault));
      AV_TRY(const Secret items, get("/v1/vaults/" + vault_id + "/items"));
      return read(items, [&](const JsonView& root) { return op_items(root, above.vault); });
    }
    AV_TRY(const Secret item, whole_item(above.vault, above.item));
    return read(item,
                [&](const JsonView& root) { return op_fields(root, above.vault, above.item); });
  }

 private:
  Result<Secret> get(const std::string& path_and_query) const {
    HttpRequest request;
    request.url = url_ + path_and_query;
    request.fields.append("Authorization: Bearer ");
    request.fields.append(token_);
    request.fields.append("\r\nAccept: application/json\r\n");
    AV_TRY(HttpAnswer answer, ports_.http->send(request));
    if (answer.status != 200) {
      return refusal(answer);
    }
    return std::move(answer.body);
  }

  template <typename Read>
  static Result<std::vector<Listed>> read(const Secret& answer, const Read& use) {
    return answer.reveal([&](std::string_view bytes) -> Result<std::vector<Listed>> {
      const auto document = JsonDocument::parse(bytes);
      if (!document) {
        return malformed();
      }
      return use(document->root());
    });
  }

  // The one entry called so, whatever else the server has put into its answer.
  static Result<std::string> only_one(const Secret& answer, std::string_view member,
                                      const std::string& name, std::string_view what) {
    return answer.reveal([&](std::string_view bytes) -> Result<std::string> {
      const auto document = JsonDocument::parse(bytes);
      if (!document || !document->root().is(JsonView::Kind::kArray)) {
        return malformed();
      }
      std::vector<std::string> ids;
      for (const JsonView& entry : document->root().children()) {
        const std::string id = text_member(entry, "id");
        const std::string state = text_member(entry, "state");
        const auto trashed = entry.find("trashed");
        if (ascii::lower(text_member(entry, member)) == ascii::lower(name) && op_id(id) &&
            state != "ARCHIVED" && state != "DELETED" &&
            !(trashed && trashed->boolean().value_or(false))) {
          ids.push_back(id);
        }
      }
      if (ids.size() == 1) {
        return ids[0];
      }
      if (ids.empty()) {
        return failure(Failure::Why::kNotFound,
                       "there is no " + std::string(what) + " \"" + name + "\" for this token",
                       "Connect tells upper and lower case apart; `vault store list` shows names");
      }
      return failure(
          Failure::Why::kInvalid,
          std::to_string(ids.size()) + " " + std::string(what) + "s are called \"" + name + "\"",
          "refer to one by its id: " + ids[0] + " or " + ids[1]);
    });
  }

  Result<std::string> vault_id_of(const std::string& name) const {
    if (op_id(name)) {
      return name;
    }
    AV_TRY(const Secret found, get("/v1/vaults" + filter_query("name", name)));
    return only_one(found, "name", name, "vault");
  }

  Result<Secret> whole_item(const std::string& vault_name, const std::string& item_name) const {
    AV_TRY(const std::string vault_id, vault_id_of(vault_name));
    const std::string items = "/v1/vaults/" + vault_id + "/items";
    std::string id = item_name;
    if (!op_id(item_name)) {
      AV_TRY(const Secret found, get(items + filter_query("title", item_name)));
      AV_TRY(id, only_one(found, "title", item_name, "item"));
    }
    return get(items + "/" + id);
  }

  Result<About> who() const {
    AV_TRY(const Secret answer, get("/v1/vaults"));
    return answer.reveal([&](std::string_view bytes) -> Result<About> {
      const auto document = JsonDocument::parse(bytes);
      if (!document || !document->root().is(JsonView::Kind::kArray)) {
        return malformed();
      }
      const auto vaults = document->root().children();
      About out;
      out.account = host_of_website(url_);
      out.detail = std::to_string(vaults.size()) + (vaults.size() == 1 ? " vault" : " vaults");
      for (std::size_t i = 0; i < std::min<std::size_t>(vaults.size(), 3); ++i) {
        out.detail += (i == 0 ? ": " : ", ") + excerpt(text_member(vaults[i], "name"));
      }
      return out;
    });
  }

  const std::string url_;  // without a "/" at its end
  const Secret token_;
  const Ports ports_;
};

// A JWT; whatever it is, nothing that could end its line.
bool good_token(const Secret& token) {
  return !token.empty() && token.size() <= kMostToken && token.reveal([](std::string_view bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c > ' ' && c <= '~'; });
  });
}

Result<std::unique_ptr<Provider>> make(const vault::ExternalStore& store,
                                       vault::StoreSecrets secrets, const Ports& ports) {
  const auto token = secrets.find("token");
  if (token == secrets.end() || !good_token(token->second)) {
    return failure(Failure::Why::kInvalid, "the access token is missing or has blanks in it",
                   "make one at 1password.com, Developer, Connect servers");
  }
  AV_TRY(const bool plain, plain_http(store));
  AV_TRY(std::string url, store_url(setting(store, "url"), plain));
  return std::unique_ptr<Provider>(
      std::make_unique<Connect>(std::move(url), std::move(token->second), ports));
}

}  // namespace

const Kind kOnePasswordConnect = {.id = "1password-connect",
                                  .title = "1Password Connect",
                                  .scheme = "op",
                                  .example = "op://Private/OpenAI/credential",
                                  .settings = kSettings,
                                  .parse = &parse_op_connect,
                                  .make = &make,
                                  .finds_by_host = false};

}  // namespace av::source
