#include "store/sqlite_store.h"

namespace av::store {

Expected<std::vector<vault::Rule>> SqliteStore::load_rules(std::int64_t) {
  return std::vector<vault::Rule>();
}
Expected<std::vector<vault::Rule>> SqliteStore::list_rules(std::string_view) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::put_rules(std::string_view, const std::vector<vault::Rule>&) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::replace_rules(std::string_view, const std::vector<vault::Rule>&) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::remove_rules(std::string_view, const std::vector<std::string>&) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::enable_rule(std::string_view, std::string_view, bool) {
  return make_error(ErrorCode::kInternal, "not built yet");
}

}  // namespace av::store
