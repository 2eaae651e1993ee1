#pragma once
// Settings that every external store with an address has, whatever its kind.

#include <string_view>

namespace av::vault {

inline constexpr std::string_view kCaSetting = "ca";               // certificates, PEM
inline constexpr std::string_view kAllowNetSetting = "allow_net";  // CIDRs, with blanks between
// "yes": http:// and ws:// also to other machines, where tokens can be read on the way.
inline constexpr std::string_view kPlainHttpSetting = "plain_http";

}  // namespace av::vault
