#include "cmd/changes.h"

#include <nlohmann/json.hpp>

#include "cmd/output.h"

namespace av::cmd {

std::vector<std::string> Changes::touched() const {
  std::vector<std::string> out = added;
  out.insert(out.end(), changed.begin(), changed.end());
  return out;
}

std::string Changes::text() const {
  std::string out;
  const auto add = [&](const char* word, const std::vector<std::string>& names) {
    if (!names.empty()) {
      out += (out.empty() ? "" : "; ") + std::string(word) + " " + join(names, ", ");
    }
  };
  add("added", added);
  add("changed", changed);
  add("removed", removed);
  return out;
}

void report(const Context& context, const std::string& vault, const Changes& changes) {
  if (context.json) {
    const nlohmann::ordered_json json = {{"vault", vault},
                                         {"added", changes.added},
                                         {"changed", changes.changed},
                                         {"removed", changes.removed},
                                         {"unchanged", changes.unchanged}};
    print(context.out, json.dump() + "\n");
    return;
  }
  const auto line = [&](const char* word, const std::vector<std::string>& names) {
    if (!names.empty()) {
      notice(context, std::string(word) + " " + join(names, ", "));
    }
  };
  line("added", changes.added);
  line("changed", changes.changed);
  line("removed", changes.removed);
  line("unchanged", changes.unchanged);
}

}  // namespace av::cmd
