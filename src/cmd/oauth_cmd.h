#pragma once
// What the oauth commands share.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/command.h"
#include "cmd/oauth_options.h"
#include "oauth/token_endpoint.h"
#include "store/store.h"

namespace av::cmd {

class OptionSet;

Run setup_oauth_connect(OptionSet& app);  // oauth_connect.cc
Run setup_oauth_paste(OptionSet& app);    // oauth_paste.cc
Run setup_oauth_import(OptionSet& app);   // oauth_import.cc

// A credential that is to be connected.
struct NewConnection {
  std::string vault;
  std::string key;
  std::string_view origin;         // "connect", "paste"
  std::vector<std::string> hosts;  // take the token
  bool has_service = false;        // one that uses it is made with it
};
// Asks `get` for the tokens, which may be had once only, and stores them. That it is tried is on
// the log before; that there is room for them is seen before, and should there be none when they
// come, storing is tried again for a minute. Says how to use it.
[[nodiscard]] Expected<int> connect_and_store(Context& context, const NewConnection& wanted,
                                              ChosenClient& chosen,
                                              const std::function<Expected<oauth::Tokens>()>& get);

}  // namespace av::cmd
