#include "proxy/dns_message.h"

namespace av::proxy {
namespace {

constexpr std::size_t kHeader = 12;
constexpr std::size_t kMostName = 255;
constexpr std::uint16_t kIsAnswer = 0x8000;
constexpr std::uint16_t kOpcode = 0x7800;
constexpr std::uint16_t kWantsRecursion = 0x0100;
constexpr std::uint16_t kRecursion = 0x0080;
constexpr std::uint16_t kTypeOpt = 41;
constexpr std::uint32_t kSeconds = 30;  // the address stays the same, but may be forgotten
constexpr std::uint16_t kPayload = 1232;

std::uint16_t u16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

void put16(std::string& out, unsigned value) {
  out.push_back(static_cast<char>(value >> 8 & 0xFF));
  out.push_back(static_cast<char>(value & 0xFF));
}

void put32(std::string& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xFFFF);
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// A name without compression, as a question has it. A dot inside a label would make two of it.
bool read_name(std::string_view message, std::size_t& at, std::string& out) {
  const std::size_t begin = at;
  for (;;) {
    if (at >= message.size() || at - begin >= kMostName) {
      return false;
    }
    const auto length = static_cast<unsigned char>(message[at++]);
    if (length == 0) {
      return true;
    }
    if (length > 63 || length > message.size() - at) {
      return false;
    }
    if (!out.empty()) {
      out.push_back('.');
    }
    for (const char c : message.substr(at, length)) {
      if (c == '.' || static_cast<unsigned char>(c) < 0x21) {
        return false;
      }
      out.push_back(lower(c));
    }
    at += length;
  }
}

}  // namespace

std::optional<DnsQuestion> read_dns_query(std::string_view message) {
  if (message.size() < kHeader) {
    return std::nullopt;
  }
  DnsQuestion question;
  question.id = u16(message, 0);
  question.flags = u16(message, 2);
  const bool one_question = u16(message, 4) == 1 && u16(message, 6) == 0 && u16(message, 8) == 0;
  std::size_t at = kHeader;
  if ((question.flags & kIsAnswer) != 0 || !one_question ||
      !read_name(message, at, question.name) || message.size() - at < 4) {
    return std::nullopt;
  }
  question.type = u16(message, at);
  question.dns_class = u16(message, at + 2);
  question.size = at + 4;
  const std::string_view rest = message.substr(question.size);
  question.extended =
      u16(message, 10) == 1 && rest.size() >= 11 && rest[0] == 0 && u16(rest, 1) == kTypeOpt;
  return question;
}

std::string write_dns_answer(std::string_view query, const DnsQuestion& question,
                             const DnsAnswer& answer) {
  std::string out;
  out.reserve(kMostDnsAnswer);
  put16(out, question.id);
  put16(out, kIsAnswer | (question.flags & (kOpcode | kWantsRecursion)) | kRecursion |
                 static_cast<unsigned>(answer.code));
  put16(out, 1);
  put16(out, answer.address ? 1 : 0);
  put16(out, 0);
  put16(out, question.extended ? 1 : 0);
  // As it was written: some stubs vary upper and lower case and compare.
  out.append(query.substr(kHeader, question.size - kHeader));
  if (answer.address) {
    put16(out, 0xC000 | kHeader);  // the name of the question
    put16(out, kDnsTypeA);
    put16(out, kDnsClassIn);
    put32(out, kSeconds);
    put16(out, 4);
    put32(out, *answer.address);
  }
  if (question.extended) {
    out.push_back('\0');
    put16(out, kTypeOpt);
    put16(out, kPayload);
    put32(out, 0);
    put16(out, 0);
  }
  return out;
}

}  // namespace av::proxy
