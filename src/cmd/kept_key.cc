#include "cmd/kept_key.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cmd/keeper_socket.h"

namespace av::cmd {
namespace {

constexpr timeval kPatience{2, 0};

struct Answer {
  KeeperReply reply;
  Secret key;
};

Status send_request(int fd, const KeeperRequest& request, const UniqueFd& maps) {
  iovec part{const_cast<KeeperRequest*>(&request), sizeof request};
  const int shown[] = {maps.get()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof shown)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof shown);
  std::memcpy(CMSG_DATA(header), shown, sizeof shown);
  if (::sendmsg(fd, &message, MSG_NOSIGNAL) < 0) {
    return errno_error(errno, "the keeper of the key does not listen");
  }
  return {};
}

Expected<Answer> ask(const std::filesystem::path& store, KeeperWord word,
                     const crypto::Bytes& kek_id) {
  AV_TRY(const UniqueFd fd, connect_keeper(store));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  AV_TRY(const UniqueFd maps, own_maps());
  KeeperRequest request;
  request.word = word;
  std::copy_n(kek_id.begin(), std::min(kek_id.size(), request.kek_id.size()),
              request.kek_id.begin());
  AV_CHECK(send_request(fd.get(), request, maps));
  Answer answer;
  AV_TRY(answer.key, Secret::with_size(crypto::kKeySize));
  iovec parts[] = {{&answer.reply, sizeof answer.reply},
                   {answer.key.writable().data(), answer.key.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = std::size(parts);
  const ssize_t got = ::recvmsg(fd.get(), &message, 0);
  const bool has_key = answer.reply.answer == KeeperAnswer::kKey;
  if (got != static_cast<ssize_t>(sizeof answer.reply + (has_key ? crypto::kKeySize : 0))) {
    return make_error(ErrorCode::kLocked, "the keeper of the key does not answer");
  }
  return answer;
}

}  // namespace

Expected<Secret> ask_kept_key(const std::filesystem::path& store, const crypto::Bytes& kek_id) {
  AV_TRY(Answer answer, ask(store, KeeperWord::kGiveKey, kek_id));
  if (answer.reply.answer != KeeperAnswer::kKey) {
    return make_error(ErrorCode::kLocked, "the key that is kept is not for this process");
  }
  return std::move(answer.key);
}

std::optional<Millis> kept_for(const std::filesystem::path& store, const crypto::Bytes& kek_id) {
  const auto answer = ask(store, KeeperWord::kState, kek_id);
  if (!answer || answer->reply.answer != KeeperAnswer::kState) {
    return std::nullopt;
  }
  return Millis(answer->reply.remaining_ms);
}

Expected<bool> end_keeper(const std::filesystem::path& store) {
  const auto answer = ask(store, KeeperWord::kEnd, {});
  if (answer && answer->reply.answer == KeeperAnswer::kEnds) {
    return true;
  }
  // Of one that was killed. Whoever is there and does not answer loses its place, and ends itself.
  if (::unlink((store / kKeeperSocket).c_str()) != 0 && errno != ENOENT) {
    return errno_error(errno, "cannot remove " + (store / kKeeperSocket).string());
  }
  return false;
}

}  // namespace av::cmd
