#include "oauth/body_writer.h"

#include "core/encoding.h"

namespace av::oauth {

void BodyWriter::add(std::string_view name, std::string_view value) {
  if (json_) {
    out_.append(out_.empty() ? "{\"" : ",\"");
    encoding::append_json_escaped(out_, name);
    out_.append("\":\"");
    encoding::append_json_escaped(out_, value);
    out_.push_back('"');
    return;
  }
  if (!out_.empty()) {
    out_.push_back('&');
  }
  encoding::append_percent(out_, name);
  out_.push_back('=');
  encoding::append_percent(out_, value);
}

SecretBuffer BodyWriter::finish() {
  if (json_) {
    out_.append(out_.empty() ? "{}" : "}");
  }
  return std::move(out_);
}

SecretBuffer basic_authorization(std::string_view client_id, const Secret& client_secret) {
  SecretBuffer pair;
  encoding::append_percent(pair, client_id);
  pair.push_back(':');
  client_secret.reveal([&](std::string_view bytes) { encoding::append_percent(pair, bytes); });
  SecretBuffer out;
  out.append("Basic ");
  encoding::append_base64(out, pair.view());
  return out;
}

SecretBuffer bearer_authorization(const Secret& token) {
  SecretBuffer out;
  out.append("Bearer ");
  out.append(token);
  return out;
}

}  // namespace av::oauth
