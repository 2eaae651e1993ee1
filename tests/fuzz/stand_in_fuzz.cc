// What a program is shown of a provider's answer to its login ("STATUS TYPE", then the body): well
// formed, and nothing of a token, however either is written.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/encoding.h"
#include "fuzz/oauth_port.h"
#include "fuzz/require.h"
#include "oauth/form.h"
#include "oauth/stand_in.h"

using namespace av;
using Json = nlohmann::json;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
const oauth::StandIns kPlaced{"av_ph_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                              "av_ph_RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR",
                              "av_ph_IIIIIIIIIIIIIIIIIIIIIIIIIIIIIIII"};

void has_none(std::string_view text, const oauth::Tokens* tokens) {
  if (tokens == nullptr) {
    return;
  }
  for (const Secret* const token :
       {&tokens->access_token, &tokens->refresh_token, &tokens->id_token}) {
    require(token->empty() || token->reveal([&](std::string_view bytes) {
      return text.find(bytes) == std::string_view::npos;
    }));
  }
}

void look_into(const Json& node, const oauth::Tokens* tokens) {
  if (node.is_string()) {
    has_none(node.get_ref<const std::string&>(), tokens);
  } else if (node.is_structured()) {
    for (const auto& one : node) {
      look_into(one, tokens);
    }
  }
}

void look_at(const oauth::ProgramAnswer& shown, const oauth::Tokens* tokens) {
  require(encoding::is_utf8(shown.body));
  if (shown.content_type.starts_with("application/json")) {
    const Json read = Json::parse(shown.body, nullptr, false);
    require(read.is_object());
    look_into(read, tokens);
    return;
  }
  require(shown.content_type.starts_with("application/x-www-form-urlencoded"));
  const auto fields = oauth::read_form(shown.body);
  require(fields.has_value());
  for (const oauth::FormField& field : *fields) {
    has_none(field.value.view(), tokens);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), text.size());
  const std::string head(text.substr(0, line));
  oauth::HttpAnswer answer;
  answer.status = std::atoi(head.c_str());
  const std::size_t blank = head.find(' ');
  answer.content_type = blank == std::string::npos ? "" : head.substr(blank + 1);
  answer.body = fuzz::secret(text.substr(std::min(line + 1, text.size())));
  const auto tokens = oauth::read_token_answer(answer);
  if (!tokens) {
    look_at(oauth::program_refusal(answer, tokens.error()), nullptr);
    return 0;
  }
  const auto shown = oauth::program_answer(answer, *tokens, kPlaced, kNow);
  if (shown) {
    require(oauth::is_stand_in(shown->body));
    look_at(*shown, &*tokens);
    // What later refreshes are answered with.
    const std::string access = oauth::stand_in_of(tokens->access_token, kPlaced.access, kNow);
    require(access.ends_with(kPlaced.access));
    has_none(access, &*tokens);
  }
  return 0;
}
