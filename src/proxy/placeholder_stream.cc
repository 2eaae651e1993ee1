#include "proxy/placeholder_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/ascii.h"
#include "core/encoding.h"

namespace av::proxy {
namespace {

void append_xml(SecretBuffer& out, std::string_view value) {
  for (const char c : value) {
    switch (c) {
      case '&':
        out.append("&amp;");
        break;
      case '<':
        out.append("&lt;");
        break;
      case '>':
        out.append("&gt;");
        break;
      case '"':
        out.append("&quot;");
        break;
      case '\'':
        out.append("&#39;");
        break;
      default:
        out.push_back(c);
    }
  }
}

std::string_view place_of(vault::Surface surface) {
  return surface == vault::Surface::kBody ? "the body" : "a WebSocket message";
}

}  // namespace

ValueForm value_form(std::string_view content_type) {
  const std::string type =
      ascii::lower(ascii::trim(content_type.substr(0, content_type.find(';'))));
  if (type.ends_with("/json") || type.ends_with("+json") || type == "application/x-ndjson" ||
      type == "application/ndjson" || type == "application/jsonl" ||
      type == "application/json-seq") {
    return ValueForm::kJson;
  }
  if (type == "application/x-www-form-urlencoded") {
    return ValueForm::kPercent;
  }
  if (type.ends_with("/xml") || type.ends_with("+xml") || type == "text/html") {
    return ValueForm::kXml;
  }
  return ValueForm::kRaw;
}

void append_value(SecretBuffer& out, std::string_view value, ValueForm form) {
  switch (form) {
    case ValueForm::kRaw:
      out.append(value);
      break;
    case ValueForm::kJson:
      encoding::append_json_escaped(out, value);
      break;
    case ValueForm::kPercent:
      encoding::append_percent(out, value);
      break;
    case ValueForm::kXml:
      append_xml(out, value);
      break;
  }
}

PlaceholderStream::PlaceholderStream(PlaceholderGuard& guard, const ResolvedCredential* values,
                                     vault::Surface surface)
    : guard_(guard),
      values_(values),
      place_(place_of(surface)),
      searching_(guard.searches(surface)) {
  if (values_ == nullptr || !guard.substitutes(surface)) {
    return;
  }
  const std::vector<vault::Substitution>& substitutions = guard.service()->substitutions;
  for (std::size_t i = 0; i < substitutions.size(); ++i) {
    if (substitutions[i].in(surface)) {
      Own& own = own_.emplace_back();
      own.text = substitutions[i].placeholder;
      own.substitution = i;
      longest_own_ = std::max(longest_own_, own.text.size());
    }
  }
}

void PlaceholderStream::begin(ValueForm form) {
  form_ = form;
  held_.clear();
  history_.clear();
  data_ = {};
  end_ = false;
  pending_ = nullptr;
}

void PlaceholderStream::supply(std::string_view data, bool end) {
  data_ = data;
  end_ = end;
  for (Own& own : own_) {
    own.next = nullptr;
  }
}

// The first of the service's placeholders. In data_ each remembers where it comes next, so that a
// text full of one does not mean searching all of it for the others again and again.
std::optional<PlaceholderStream::Found> PlaceholderStream::find_own(std::string_view text,
                                                                    bool in_data) {
  const char* const none = text.data() + text.size();
  const char* best = none;
  Own* which = nullptr;
  for (Own& own : own_) {
    const char* at = in_data ? own.next : nullptr;
    if (at == nullptr || at < text.data()) {
      const void* const found =
          text.empty() ? nullptr
                       : ::memmem(text.data(), text.size(), own.text.data(), own.text.size());
      at = found == nullptr ? none : static_cast<const char*>(found);
      if (in_data) {
        own.next = at;
      }
    }
    if (at < best) {
      best = at;
      which = &own;
    }
  }
  if (which == nullptr) {
    return std::nullopt;
  }
  return Found{static_cast<std::size_t>(best - text.data()), which};
}

// How long the longest end of `text` is that begins one of the service's placeholders.
std::size_t PlaceholderStream::partial_tail(std::string_view text) const {
  for (std::size_t size = std::min(text.size(), longest_own_ - 1); size != 0; --size) {
    const std::string_view tail = text.substr(text.size() - size);
    for (const Own& own : own_) {
      if (own.text.size() > size && own.text.starts_with(tail)) {
        return size;
      }
    }
  }
  return 0;
}

// False: a placeholder that does not belong here ends in `text`.
bool PlaceholderStream::search(std::string_view text) {
  if (!searching_ || text.empty()) {
    return true;
  }
  const std::size_t reach = guard_.longest() - 1;
  const vault::PlaceholderIndex::Entry* entry = nullptr;
  if (!history_.empty()) {
    border_ = history_;
    border_ += text.substr(0, reach);
    entry = guard_.find(border_);
  }
  if (entry == nullptr) {
    entry = guard_.find(text);
  }
  if (entry != nullptr) {
    status_ = Status::kMisuse;
    fault_ = guard_.misuse(*entry, {place_, {}});
    return false;
  }
  if (text.size() >= reach) {
    history_ = text.substr(text.size() - reach);
  } else {
    history_ += text;
    history_.erase(0, history_.size() - std::min(history_.size(), reach));
  }
  return true;
}

bool PlaceholderStream::put_value(Own& own) {
  if (!guard_.count(own.substitution)) {
    status_ = Status::kTooMany;
    fault_ = guard_.too_many(own.substitution);
    return false;
  }
  if (own.rendered != form_) {
    own.value.clear();
    const std::string& key = guard_.service()->substitutions[own.substitution].credential_key;
    values_->value(key).reveal(
        [&](std::string_view value) { append_value(own.value, value, form_); });
    own.rendered = form_;
  }
  history_.clear();  // what follows a value does not continue what was before it
  return true;
}

// One step: text that goes out (or would, if the search lets it), or empty and perhaps a pending
// value. Moves data_ and held_ on.
std::string_view PlaceholderStream::step() {
  std::string_view text = data_;
  const std::size_t held = held_.size();
  bool followed = false;  // data_ goes on behind `text`
  if (held != 0) {
    joined_ = held_;
    joined_ += data_.substr(0, longest_own_ - 1);
    text = joined_;
    followed = joined_.size() - held < data_.size();
  }
  const auto found = find_own(text, held == 0);
  if (found && (!followed || found->at < held)) {
    // Nothing complete was held back: the placeholder ends in data_.
    data_.remove_prefix(found->at + found->own->text.size() - held);
    held_.clear();
    pending_ = found->own;
    return text.substr(0, found->at);
  }
  if (followed) {
    // No placeholder begins in what was held back: it goes out, and data_ is looked at by itself.
    held_.clear();
    return text.substr(0, held);
  }
  const std::size_t tail = end_ ? 0 : partial_tail(text);
  held_ = text.substr(text.size() - tail);
  data_ = {};
  return text.substr(0, text.size() - tail);
}

std::string_view PlaceholderStream::next() {
  for (;;) {
    if (status_ != Status::kOk) {
      return {};
    }
    if (Own* const own = std::exchange(pending_, nullptr)) {
      if (!put_value(*own)) {
        return {};
      }
      if (!own->value.empty()) {
        return own->value.view();
      }
      continue;
    }
    if (data_.empty() && (held_.empty() || !end_)) {
      return {};
    }
    const std::string_view text = own_.empty() ? std::exchange(data_, {}) : step();
    if (!search(text)) {
      return {};
    }
    if (!text.empty()) {
      return text;
    }
  }
}

}  // namespace av::proxy
