#include "store/sqlite_store.h"

namespace av::store {

std::vector<vault::ApprovalGrant> SqliteStore::load_grants(std::int64_t) {
  return {};
}
Expected<std::vector<Store::Approval>> SqliteStore::list_approvals(std::string_view, bool) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Expected<Store::Approval> SqliteStore::get_approval(std::string_view) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::add_approval(const vault::ApprovalRequest&) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::decide_approval(std::string_view, vault::ApprovalState,
                                    const std::optional<vault::ApprovalGrant>&) {
  return make_error(ErrorCode::kInternal, "not built yet");
}

}  // namespace av::store
