#pragma once
// PlaceholderStream: one text of a request (its body, a WebSocket message) on its way upstream,
// piece by piece. Placeholders that the service declares there become values; any other one ends
// the text. Memory is bounded by the longest placeholder and the encoded values, whatever the
// text's length.
//
// What is held back is the longest tail that could begin a declared placeholder, and nothing where
// none is declared: a placeholder that is only searched for has not gone out as long as its last
// byte has not.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.h"
#include "proxy/credential_resolver.h"
#include "proxy/placeholder_guard.h"

namespace av::proxy {

// How a value is written into the text around it.
enum class ValueForm : std::uint8_t {
  kRaw,
  kJson,     // the inside of a string (RFC 8259 section 7)
  kPercent,  // application/x-www-form-urlencoded
  kXml,      // character data and attribute values: & < > " '
};
// Of a body with this Content-Type; kRaw for what is not known, and for multipart and plain text.
[[nodiscard]] ValueForm value_form(std::string_view content_type);
void append_value(SecretBuffer& out, std::string_view value, ValueForm form);

class PlaceholderStream {
 public:
  enum class Status : std::uint8_t { kOk, kMisuse, kTooMany };

  // `values` may be null where the service substitutes nothing. Both must outlive the stream.
  PlaceholderStream(PlaceholderGuard& guard, const ResolvedCredential* values,
                    vault::Surface surface);

  // Neither searches nor substitutes: bytes need not be passed through.
  [[nodiscard]] bool idle() const { return own_.empty() && !searching_; }
  [[nodiscard]] bool substitutes() const { return !own_.empty(); }

  // Another text begins, with values in this form.
  void begin(ValueForm form);
  // The text's next bytes; `end`: there are no more. They must stay until next() has returned an
  // empty view.
  void supply(std::string_view data, bool end);
  // Changes the form of the values that are still to come.
  void set_form(ValueForm form) { form_ = form; }
  // Instead of supply() and next(), for a text in which nothing is substituted here: sees to it
  // that `data`, its next bytes, may go out as they are (see status()).
  void search_only(std::string_view data) { (void)search(data); }
  // What may go out now: a part of the text or a value; valid until the next call. Empty: wants
  // more, is done, or has failed.
  [[nodiscard]] std::string_view next();
  [[nodiscard]] Status status() const { return status_; }
  // Of a status other than kOk.
  [[nodiscard]] const Fault& fault() const { return fault_; }

 private:
  // A placeholder that becomes a value here.
  struct Own {
    std::string_view text;
    std::size_t substitution = 0;
    SecretBuffer value;
    std::optional<ValueForm> rendered;  // the form that `value` is in
    const char* next = nullptr;         // in data_, where it was last found; null: not looked for
  };
  struct Found {
    std::size_t at = 0;
    Own* own = nullptr;
  };
  [[nodiscard]] std::optional<Found> find_own(std::string_view text, bool in_data);
  [[nodiscard]] std::size_t partial_tail(std::string_view text) const;
  [[nodiscard]] bool search(std::string_view text);
  [[nodiscard]] bool put_value(Own& own);
  [[nodiscard]] std::string_view step();

  PlaceholderGuard& guard_;
  const ResolvedCredential* values_;
  std::string_view place_;
  ValueForm form_ = ValueForm::kRaw;
  bool searching_;
  std::vector<Own> own_;
  std::size_t longest_own_ = 0;
  std::string_view data_;
  bool end_ = false;
  std::string held_;     // the tail of what was supplied before
  std::string joined_;   // held_ and what follows it
  std::string history_;  // the end of what went out, for placeholders across pieces
  std::string border_;   // history_ and what follows it
  Own* pending_ = nullptr;
  Status status_ = Status::kOk;
  Fault fault_;
};

}  // namespace av::proxy
