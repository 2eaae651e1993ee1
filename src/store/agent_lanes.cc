#include "store/agent_lanes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/crypto.h"

namespace av::store {
namespace {

// Lanes are the first bytes; sessions are far behind them.
constexpr off_t kSessions = off_t{1} << 40;

struct flock range(short type, off_t start) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = 1;
  return lock;
}

bool is_uid(std::string_view uid) {
  return !uid.empty() && uid.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Expected<UniqueFd> open_file(const std::filesystem::path& directory, std::string_view uid) {
  if (!is_uid(uid)) {
    return make_error(ErrorCode::kInternal, "an agent without a uid");
  }
  const auto path = directory / uid;
  const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  UniqueFd file(::open(path.c_str(), flags, 0600));
  if (!file.valid() && errno == ENOENT) {
    AV_CHECK(fs::make_private_directory(directory));
    file = UniqueFd(::open(path.c_str(), flags, 0600));
  }
  if (!file.valid()) {
    return errno_error(errno, "cannot open " + path.string());
  }
  return file;
}

off_t place_of(std::string_view session_id) {
  const crypto::Digest digest = crypto::sha256(session_id);
  std::uint64_t number = 0;
  std::memcpy(&number, digest.data(), sizeof number);
  return kSessions + static_cast<off_t>(number >> 2U);
}

}  // namespace

Expected<AgentLanes::Agent*> AgentLanes::agent(std::string_view uid) {
  const auto found = agents_.find(uid);
  if (found != agents_.end()) {
    return &found->second;
  }
  AV_TRY(UniqueFd file, open_file(directory_, uid));
  Agent& made = agents_[std::string(uid)];
  made.file = std::move(file);
  return &made;
}

Expected<std::optional<std::uint32_t>> AgentLanes::take(std::string_view agent_uid,
                                                        std::uint32_t limit) {
  AV_TRY(Agent* const agent, this->agent(agent_uid));
  if (agent->taken.size() < limit) {
    agent->taken.resize(limit);
  }
  for (std::uint32_t lane = 0; lane < limit; ++lane) {
    if (agent->taken[lane]) {
      continue;
    }
    struct flock lock = range(F_WRLCK, lane);
    if (::fcntl(agent->file.get(), F_OFD_SETLK, &lock) == 0) {
      agent->taken[lane] = true;
      return std::optional(lane);
    }
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
      return errno_error(errno, "cannot count the requests of the agent");
    }
  }
  return std::optional<std::uint32_t>();
}

void AgentLanes::give_back(std::string_view agent_uid, std::uint32_t lane) {
  const auto found = agents_.find(agent_uid);
  if (found == agents_.end() || lane >= found->second.taken.size()) {
    return;
  }
  struct flock lock = range(F_UNLCK, lane);
  (void)::fcntl(found->second.file.get(), F_OFD_SETLK, &lock);
  found->second.taken[lane] = false;
}

Expected<SessionMark> SessionMark::set(const fs::Paths& paths, std::string_view agent_uid,
                                       std::string_view session_id) {
  AV_TRY(UniqueFd file, open_file(paths.data / "lanes", agent_uid));
  struct flock lock = range(F_WRLCK, place_of(session_id));
  if (::fcntl(file.get(), F_OFD_SETLK, &lock) != 0) {
    return errno_error(errno, "cannot mark the session as alive");
  }
  return SessionMark(std::move(file));
}

bool SessionMark::is_set(const fs::Paths& paths, std::string_view agent_uid,
                         std::string_view session_id) {
  if (!is_uid(agent_uid)) {
    return false;
  }
  const UniqueFd file(
      ::open((paths.data / "lanes" / agent_uid).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  struct flock lock = range(F_WRLCK, place_of(session_id));
  return file.valid() && ::fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void remove_lanes(const fs::Paths& paths, std::string_view agent_uid) {
  if (is_uid(agent_uid)) {
    ::unlink((paths.data / "lanes" / agent_uid).c_str());
  }
}

}  // namespace av::store
