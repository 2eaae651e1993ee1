// `vault store kinds`: the table of src/source/kinds.h for people.

#include <nlohmann/json.hpp>

#include "api/store_pairing.h"
#include "cmd/cli.h"
#include "cmd/output.h"
#include "cmd/store_cmd.h"

namespace av::cmd {

Run setup_store_kinds(OptionSet& app) {
  const auto name = std::make_shared<std::string>();
  app.add_option("KIND", *name, "show the settings of this one");
  return [name](Context& context) -> Expected<int> {
    using Json = nlohmann::ordered_json;
    Json list = Json::array();
    Table table({"KIND", "WHAT", "REFERENCE"});
    for (const source::Kind* const kind : source::kinds()) {
      if (!name->empty() && kind->id != *name) {
        continue;
      }
      Table of_kind({"SETTING", "", "MEANING"});
      for (const source::Setting& setting : source::settings_of(*kind)) {
        of_kind.add(
            {std::string(setting.name),
             std::string(setting.secret ? "secret" : "") +
                 (setting.required ? (setting.secret ? ", required" : "required") : ""),
             std::string(setting.help) +
                 (setting.variable.empty() ? "" : " [" + std::string(setting.variable) + "]")});
      }
      list.push_back(api::kind_json(*kind));
      table.add({std::string(kind->id), std::string(kind->title), std::string(kind->example)});
      if (!name->empty() && !context.json) {
        print(context.out, std::string(kind->title) + ", " + std::string(kind->example) + "\n");
        of_kind.print(context.out);
      }
    }
    if (list.empty()) {
      return api::kind_named(*name).error();
    }
    if (context.json) {
      print(context.out, Json{{"kinds", list}}.dump() + "\n");
    } else if (name->empty()) {
      table.print(context.out);
    }
    return 0;
  };
}

}  // namespace av::cmd
