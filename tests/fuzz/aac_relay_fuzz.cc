// Whatever a relay says is a frame or a failure: a message of another device in it is one or none.

#include <cstdint>
#include <string>

#include "core/secret.h"
#include "fuzz/require.h"
#include "source/aac_messages.h"
#include "source/aac_relay.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto arena = av::init_secret_arena();
  (void)arena;
  if (size > 64 * 1024) {
    return 0;
  }
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto frame = av::source::read_relay_frame(text);
  if (frame) {
    require(frame->kind != av::source::RelayFrame::Kind::kChallenge || frame->bytes.size() == 32);
    static_cast<void>(av::source::read_aac_message(
        {reinterpret_cast<const char*>(frame->bytes.data()), frame->bytes.size()}));
  } else {
    require(frame.error().why == av::source::Failure::Why::kMalformed);
    require(!frame.error().message.empty());
  }
  if (const auto message = av::source::read_aac_message(text)) {
    require(message->kind == av::source::AacMessage::Kind::kOther || message->bytes.size() < size);
  }
  if (const auto secret = av::Secret::copy_of(text)) {
    const auto answer = av::source::read_aac_answer(*secret, 1'800'000'000'000);
    require(!answer || !answer->record ||
            (answer->record->keep_ms > 0 && answer->record->keep_ms <= 60'000));
  }
  return 0;
}
