#include "server/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <memory>
#include <mutex>
#include <utility>

namespace levee::server {
namespace {

class TcpUser {
 public:
  TcpUser(sources::Root root, sources::TcpEndpoint theirs, sources::TcpEndpoint ours)
      : root_(std::move(root)), theirs_(std::move(theirs)), ours_(std::move(ours)) {}

  std::optional<uid_t> get() {
    const std::lock_guard lock(mutex_);
    if (!uid_) {
      uid_ = sources::user_of_connection(root_, theirs_, ours_);
    }
    return uid_;
  }

 private:
  const sources::Root root_;
  const sources::TcpEndpoint theirs_;
  const sources::TcpEndpoint ours_;
  std::mutex mutex_;
  std::optional<uid_t> uid_;  ///< Guarded by mutex_.
};

sources::TcpEndpoint to_endpoint(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &in6.sin6_addr, text.data(), text.size());
    return {text.data(), ntohs(in6.sin6_port)};
  }
  const auto& in4 = reinterpret_cast<const sockaddr_in&>(address);
  ::inet_ntop(AF_INET, &in4.sin_addr, text.data(), text.size());
  return {text.data(), ntohs(in4.sin_port)};
}

}  // namespace

Peer peer_of_unix_socket(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  std::optional<uid_t> uid;
  std::optional<pid_t> pid;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
    uid = peer.uid;
    if (peer.pid > 0) {  // 0: a process outside our pid namespace.
      pid = peer.pid;
    }
  }
  return {api::Peer::Via::unix_socket, [uid] { return uid; }, pid};
}

Peer peer_of_tcp(const sources::Root& root, const sockaddr_storage& theirs,
                 const sources::TcpEndpoint& ours) {
  auto user = std::make_shared<TcpUser>(root, to_endpoint(theirs), ours);
  return {api::Peer::Via::loopback, [user = std::move(user)] { return user->get(); }};
}

}  // namespace levee::server
