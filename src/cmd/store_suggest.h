#pragma once
// `vault store browse --suggest`: mappings for the hosts of a store's logins, as commands to choose
// from. Nothing is mapped by itself: which of a person's logins agents may use is theirs to say.

#include <functional>
#include <string>
#include <vector>

#include "cmd/command.h"
#include "source/provider.h"

namespace av::cmd {

struct Suggestion {
  std::string host;  // canonical
  std::string reference;
  std::string title;    // printable, one line
  std::string covered;  // by what the host is covered already; empty: by nothing
};

using ListStore =
    std::function<Expected<std::vector<source::Listed>>(const std::string& reference)>;
// Of logins at the top of the store and in its folders. Unsupported kinds fail as `list` does.
// `scheme`: of the store's references.
[[nodiscard]] Expected<std::vector<Suggestion>> suggest_mappings(Context& context,
                                                                 const std::string& vault,
                                                                 std::string_view scheme,
                                                                 const ListStore& list);
// Lines for a shell; what is covered already, and titles, as comments.
[[nodiscard]] std::string suggestions_text(const std::vector<Suggestion>& suggestions,
                                           const std::string& vault, const std::string& store);

}  // namespace av::cmd
