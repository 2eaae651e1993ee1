#include "proxy/websocket_filters.h"

#include <algorithm>
#include <utility>

namespace av::proxy {
namespace {

using Event = WebSocketFrameReader::Event;

// Enough for one write; input that is left waits for the next call.
constexpr std::size_t kEnoughOutput = std::size_t{64} << 10;

std::string_view view_of(std::span<const char> bytes) {
  return {bytes.data(), bytes.size()};
}

}  // namespace

ClientMessageFilter::ClientMessageFilter(PlaceholderGuard& guard, const ResolvedCredential* values,
                                         bool extensions)
    : reader_(WebSocketSender::kClient, extensions),
      text_(guard, values, vault::Surface::kWebSocket) {}

std::string_view ClientMessageFilter::next() {
  out_.clear();
  while (status_ == Status::kOk && out_.size() < kEnoughOutput) {
    if (way_ == Way::kRewrite && !pull()) {
      continue;
    }
    switch (reader_.next(in_)) {
      case Event::kMore:
        return out_.view();
      case Event::kHeader:
        on_header();
        break;
      case Event::kPayload:
        on_payload();
        break;
      case Event::kEnd:
        on_end();
        break;
      case Event::kError:
        status_ = Status::kProtocol;
        fault_.status = 400;
        fault_.code = "websocket_protocol";
        fault_.message = "the client sent a frame that RFC 6455 does not allow";
        break;
    }
  }
  // What came before the placeholder that ends the tunnel does not go out either.
  return status_ == Status::kOk ? out_.view() : std::string_view();
}

void ClientMessageFilter::on_header() {
  const WebSocketFrame& frame = reader_.frame();
  if (frame.control()) {
    way_ = Way::kPass;
  } else {
    if (frame.opcode != WebSocketOpcode::kContinuation) {
      const bool rewrite = frame.opcode == WebSocketOpcode::kText && text_.substitutes();
      message_way_ = frame.rsv != 0 ? Way::kPass : rewrite ? Way::kRewrite : Way::kSearch;
      text_.begin(ValueForm::kRaw);
      form_known_ = false;
      first_fragment_ = true;
    }
    way_ = message_way_;
  }
  if (way_ != Way::kRewrite) {
    out_.append(reader_.header());
  }
}

void ClientMessageFilter::on_payload() {
  const std::span<char> payload = reader_.payload();
  const WebSocketFrame& frame = reader_.frame();
  if (way_ == Way::kPass) {
    out_.append(view_of(payload));
    return;
  }
  if (way_ == Way::kRewrite) {
    apply_websocket_mask(payload, frame.mask, reader_.offset());
    decide_form(view_of(payload));
    text_.supply(view_of(payload), /*end=*/false);
    return;
  }
  scratch_.clear();
  scratch_.append(view_of(payload));
  const std::span<char> plain(scratch_.data(), scratch_.size());
  apply_websocket_mask(plain, frame.mask, reader_.offset());
  search(view_of(plain));
  out_.append(view_of(payload));
}

// Only looks: nothing is held back, so what was received can go out as it is.
void ClientMessageFilter::search(std::string_view plain) {
  text_.search_only(plain);
  fail_with_text();
}

void ClientMessageFilter::on_end() {
  if (way_ == Way::kRewrite) {
    if (reader_.frame().fin) {
      text_.supply({}, /*end=*/true);
    }
    end_of_frame_ = true;
  }
}

// JSON is what nearly all text protocols over WebSockets speak; they begin with an object or a
// list.
void ClientMessageFilter::decide_form(std::string_view payload) {
  const std::size_t first = payload.find_first_not_of(" \t\r\n");
  if (form_known_ || first == std::string_view::npos) {
    return;
  }
  form_known_ = true;
  if (payload[first] == '{' || payload[first] == '[') {
    text_.set_form(ValueForm::kJson);
  }
}

// Moves what text_ has into frames. True: all of it, the reader may go on.
bool ClientMessageFilter::pull() {
  for (std::string_view piece = text_.next(); !piece.empty(); piece = text_.next()) {
    payload_.append(piece);
    if (payload_.size() >= kFragment) {
      write_fragment(/*fin=*/false);
      if (out_.size() >= kEnoughOutput) {
        return false;
      }
    }
  }
  fail_with_text();
  if (status_ != Status::kOk) {
    return false;
  }
  if (std::exchange(end_of_frame_, false)) {
    const bool fin = reader_.frame().fin;
    if (fin || !payload_.empty()) {
      write_fragment(fin);
    }
    way_ = Way::kPass;  // until the next header
  }
  return true;
}

void ClientMessageFilter::write_fragment(bool fin) {
  writer_.append(out_, first_fragment_ ? WebSocketOpcode::kText : WebSocketOpcode::kContinuation,
                 fin, payload_.view());
  payload_.clear();
  first_fragment_ = false;
}

void ClientMessageFilter::fail_with_text() {
  switch (text_.status()) {
    case PlaceholderStream::Status::kOk:
      return;
    case PlaceholderStream::Status::kMisuse:
      status_ = Status::kMisuse;
      break;
    case PlaceholderStream::Status::kTooMany:
      status_ = Status::kTooMany;
      break;
  }
  fault_ = text_.fault();
}

ServerMessageFilter::ServerMessageFilter(const PatternSet* patterns, bool extensions)
    : patterns_(patterns == nullptr || patterns->empty() ? nullptr : patterns),
      reader_(WebSocketSender::kServer, extensions) {}

std::string_view ServerMessageFilter::next() {
  if (!active()) {
    return view_of(std::exchange(in_, {}));
  }
  out_.clear();
  while (status_ == Status::kOk && out_.size() < kEnoughOutput) {
    switch (reader_.next(in_)) {
      case Event::kMore:
        return out_.view();
      case Event::kHeader:
        on_header();
        break;
      case Event::kPayload:
        on_payload(reader_.payload());
        break;
      case Event::kEnd:
        on_end();
        break;
      case Event::kError:
        status_ = Status::kProtocol;
        break;
    }
  }
  return out_.view();
}

void ServerMessageFilter::on_header() {
  const WebSocketFrame& frame = reader_.frame();
  between_frames_ = false;
  if (frame.control()) {
    control_.clear();
    out_.append(reader_.header());
    return;
  }
  if (frame.opcode != WebSocketOpcode::kContinuation) {
    opcode_ = frame.opcode;
    rsv_ = frame.rsv;
    opaque_ = frame.rsv != 0;
    first_fragment_ = true;
    pending_ = 0;
    ready_.clear();
    scrubber_.emplace(*patterns_);
  }
  if (opaque_) {
    out_.append(reader_.header());
    return;
  }
  // Decided by lengths alone, before any of the payload is seen.
  const std::uint64_t total = pending_ + frame.length;
  const std::uint64_t kept = frame.fin ? 0 : std::min<std::uint64_t>(total, patterns_->most_held());
  quota_ = total - kept;
  pending_ = kept;
  if (quota_ != 0 || frame.fin) {
    (void)writer_.append_header(out_, first_fragment_ ? opcode_ : WebSocketOpcode::kContinuation,
                                frame.fin, first_fragment_ ? rsv_ : std::uint8_t{0}, quota_);
    first_fragment_ = false;
  }
  SecretBuffer earlier = std::move(ready_);
  emit(earlier.view());
}

void ServerMessageFilter::on_payload(std::span<char> payload) {
  if (reader_.frame().control()) {
    control_.append(view_of(payload));
  } else if (opaque_) {
    out_.append(view_of(payload));
  } else {
    emit(scrubber_->feed(payload, /*last=*/false));
  }
}

void ServerMessageFilter::on_end() {
  const WebSocketFrame& frame = reader_.frame();
  between_frames_ = true;
  if (frame.control()) {
    const PatternSet::Scrubbed scrubbed =
        patterns_->scrub({control_.data(), control_.size()}, /*last=*/true);
    hits_ += scrubbed.hits;
    out_.append(control_.view());
    return;
  }
  if (opaque_) {
    return;
  }
  if (frame.fin || quota_ != 0) {
    emit(scrubber_->feed({}, /*last=*/true));
  }
  if (frame.fin) {
    hits_ += scrubber_->hits();
  }
}

// Into the current frame as far as it has room, the rest waits for the next.
void ServerMessageFilter::emit(std::string_view scrubbed) {
  const auto fits = static_cast<std::size_t>(std::min<std::uint64_t>(scrubbed.size(), quota_));
  out_.append(scrubbed.substr(0, fits));
  quota_ -= fits;
  ready_.append(scrubbed.substr(fits));
}

}  // namespace av::proxy
