#include "store/sqlite_store.h"

namespace av::store {

Expected<std::map<std::string, vault::Agent, std::less<>>> SqliteStore::load_agents(
    std::string_view) {
  return std::map<std::string, vault::Agent, std::less<>>();
}
Expected<std::vector<vault::Agent>> SqliteStore::list_agents() {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Expected<vault::Agent> SqliteStore::get_agent(std::string_view) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::create_agent(const vault::Agent&, const crypto::Digest&) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::update_agent(const vault::Agent&) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::rotate_agent(std::string_view, const crypto::Digest&) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::revoke_agent(std::string_view) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Status SqliteStore::delete_agent(std::string_view) {
  return make_error(ErrorCode::kInternal, "not built yet");
}
Expected<vault::Agent> SqliteStore::agent_of_token(const crypto::Digest&) {
  return make_error(ErrorCode::kInternal, "not built yet");
}

}  // namespace av::store
