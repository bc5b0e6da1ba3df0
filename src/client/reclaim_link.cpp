#include "client/reclaim_link.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "client/error_reply.hpp"

namespace levee::client {
namespace {

namespace wire = reclaim::wire;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kSendTime{1};
constexpr std::size_t kLongestReply = std::size_t{64} * 1024;
constexpr std::size_t kReadAtOnce = 4096;

std::string reason(int error) { return std::generic_category().message(error); }

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return result;
}

/// The value of a header, in lower case; empty when it is not there.
std::string header(const std::string& head, std::string_view name) {
  const std::string small = lower(head);
  const std::size_t at = small.find(fmt::format("\r\n{}:", name));
  if (at == std::string::npos) {
    return {};
  }
  const std::size_t begin = small.find_first_not_of(" \t", at + name.size() + 3);
  return begin == std::string::npos ? std::string{}
                                    : small.substr(begin, small.find('\r', begin) - begin);
}

std::size_t number_in(std::string_view text) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// The answer to the request to leave HTTP, as far as it has come.
struct Reply {
  std::string text;

  [[nodiscard]] std::size_t head_size() const {
    const std::size_t end = text.find("\r\n\r\n");
    return end == std::string::npos ? 0 : end + 4;
  }
  [[nodiscard]] int status() const {
    constexpr std::string_view kBefore = "HTTP/1.1 ";
    return static_cast<int>(
        number_in(std::string_view(text).substr(std::min(text.size(), kBefore.size()), 3)));
  }
  [[nodiscard]] bool is_whole() const {
    const std::size_t head = head_size();
    return head > 0 &&
           (status() == 101 ||
            text.size() >= head + number_in(header(text.substr(0, head), "content-length")));
  }
};

}  // namespace

ReclaimLink::~ReclaimLink() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Result<ReclaimLink> ReclaimLink::open(const std::filesystem::path& socket, Trust trust, int wake_fd,
                                      std::chrono::milliseconds patience) {
  ReclaimLink link(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (link.fd_ < 0) {
    return fail(ErrorCode::resource_exhausted, fmt::format("no socket: {}", reason(errno)),
                "raise the limit of open files (ulimit -n)");
  }
  if (auto connected = link.connect(socket.native(), trust); !connected) {
    return std::unexpected(std::move(connected.error()));
  }
  if (auto left = link.leave_http(wake_fd, patience); !left) {
    return std::unexpected(std::move(left.error()));
  }
  return link;
}

Result<void> ReclaimLink::connect(const std::string& path, Trust trust) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is too long for a socket", path),
                "name another one");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(ErrorCode::unavailable,
                fmt::format("the daemon at {} does not answer: {}", path, reason(errno)),
                "start one with `levee serve`");
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  if (trust == Trust::root_and_me &&
      (::getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
       (peer.uid != 0 && peer.uid != ::getuid()))) {
    return fail(
        ErrorCode::permission_denied,
        fmt::format("the daemon at {} belongs to user id {}, neither root nor you", path, peer.uid),
        "name its socket if you trust it");
  }
  return {};
}

Result<void> ReclaimLink::leave_http(int wake_fd, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  if (auto sent = send(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                                   "Upgrade: {}\r\n\r\n",
                                   wire::kPath, wire::kProtocol));
      !sent) {
    return sent;
  }
  Reply reply;
  std::array<char, kReadAtOnce> room{};
  while (!reply.is_whole()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    std::array<pollfd, 2> fds{pollfd{fd_, POLLIN, 0}, pollfd{wake_fd, POLLIN, 0}};
    const int ready =
        ::poll(fds.data(), fds.size(), static_cast<int>(std::max<long>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) {
      continue;
    }
    if (fds[0].revents == 0) {
      return fail(ErrorCode::timed_out, "the daemon does not answer", "it may be busy");
    }
    const ssize_t size = ::recv(fd_, room.data(), room.size(), 0);
    if (size <= 0 || reply.text.size() > kLongestReply) {
      return fail(ErrorCode::unavailable, "the daemon hung up", "it may be stopping");
    }
    reply.text.append(room.data(), static_cast<std::size_t>(size));
  }
  const std::size_t head = reply.head_size();
  if (reply.status() != 101) {
    return std::unexpected(
        error_of_reply(reply.status(), std::string_view(reply.text).substr(head)));
  }
  if (header(reply.text.substr(0, head), "upgrade") != wire::kProtocol) {
    return fail(ErrorCode::corrupt, "the daemon speaks another protocol",
                "use a library and a daemon of the same release");
  }
  cutter_.add(std::string_view(reply.text).substr(head));
  return {};
}

Result<void> ReclaimLink::send(const wire::Message& message) {
  return send(std::string_view(wire::encode(message)));
}

Result<void> ReclaimLink::send(std::string_view bytes) {
  const auto deadline = Clock::now() + kSendTime;
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno != EINTR && errno != EAGAIN) {
      return fail(ErrorCode::unavailable, fmt::format("the daemon hung up: {}", reason(errno)),
                  "it may be stopping");
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd entry{fd_, POLLOUT, 0};
    if (left.count() <= 0 || ::poll(&entry, 1, static_cast<int>(left.count())) == 0) {
      return fail(ErrorCode::timed_out, "the daemon does not read", "it may hang");
    }
  }
  return {};
}

Result<void> ReclaimLink::receive() {
  std::array<char, kReadAtOnce> room{};
  const ssize_t size = ::recv(fd_, room.data(), room.size(), 0);
  if (size > 0) {
    cutter_.add({room.data(), static_cast<std::size_t>(size)});
    return {};
  }
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
    return {};
  }
  return fail(ErrorCode::unavailable, "the daemon hung up", "it may be stopping or restarting");
}

Result<std::optional<wire::Message>> ReclaimLink::next() {
  const auto line = cutter_.next();
  if (!line) {
    if (cutter_.is_too_long()) {
      return fail(ErrorCode::corrupt, "the daemon sent too long a line",
                  "use a library and a daemon of the same release");
    }
    return std::optional<wire::Message>{};
  }
  auto message = wire::decode(*line);
  if (!message) {
    return std::unexpected(message.error().within("what the daemon says makes no sense"));
  }
  return std::optional(std::move(*message));
}

}  // namespace levee::client
