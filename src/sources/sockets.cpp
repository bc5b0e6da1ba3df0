#include "sources/sockets.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <memory>

#include "sources/fields.hpp"
#include "sources/file.hpp"
#include "sources/proc_text.hpp"

namespace levee::sources {
namespace {

constexpr int kEstablished = 1;
constexpr int kListening = 10;
constexpr std::string_view kMappedPrefix = "::ffff:";

/// "0100007F" or 32 digits: 32-bit words in the machine's own byte order.
std::optional<std::string> parse_address(std::string_view hex) {
  std::array<std::uint32_t, 4> words{};
  const std::size_t count = hex.size() / 8;
  if (hex.size() % 8 != 0 || (count != 1 && count != 4)) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto word = to_number<std::uint32_t>(hex.substr(8 * i, 8), 16);
    if (!word) {
      return std::nullopt;
    }
    words.at(i) = *word;
  }
  const bool is_mapped = count == 4 && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xFFFF);
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool is_v4 = count == 1 || is_mapped;
  const void* const bytes = is_mapped ? &words[3] : words.data();
  if (::inet_ntop(is_v4 ? AF_INET : AF_INET6, bytes, text.data(), text.size()) == nullptr) {
    return std::nullopt;
  }
  return text.data();
}

std::optional<TcpEndpoint> parse_endpoint(std::string_view text) {
  const auto address = parse_address(take_until(text, ':'));
  const auto port = to_number<std::uint16_t>(text, 16);
  if (!address || !port || text.size() != 4) {
    return std::nullopt;
  }
  return TcpEndpoint{*address, *port};
}

/// "sl: local remote state queues timer retransmits uid timeout inode …"
std::optional<TcpSocket> parse_socket(std::string_view line) {
  const std::string_view slot = take_word(line);
  const auto local = parse_endpoint(take_word(line));
  const auto remote = parse_endpoint(take_word(line));
  const auto state = to_number<int>(take_word(line), 16);
  for (int skipped = 0; skipped < 3; ++skipped) {
    static_cast<void>(take_word(line));
  }
  const auto uid = to_number<uid_t>(take_word(line));
  static_cast<void>(take_word(line));
  const auto inode = to_number<std::uint64_t>(take_word(line));
  if (!slot.ends_with(':') || !local || !remote || !state || !uid || !inode) {
    return std::nullopt;
  }
  return TcpSocket{*local, *remote, *state, *uid, *inode};
}

/// Hands each socket of the file to `found` until it returns true. A busy server has a hundred
/// thousand sockets: they are never held in memory all at once.
bool search_file(const Root& root, std::string_view path,
                 const std::function<bool(const TcpSocket&)>& found) {
  const Fd file(::open(root.at(path).c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 16384> buffer;
  std::size_t kept = 0;
  while (file) {
    const ssize_t count = ::read(file.get(), buffer.data() + kept, buffer.size() - kept);
    if (count <= 0) {
      break;
    }
    std::string_view text(buffer.data(), kept + static_cast<std::size_t>(count));
    while (text.find('\n') != std::string_view::npos) {
      const auto socket = parse_socket(take_line(text));
      if (socket && found(*socket)) {
        return true;
      }
    }
    // The start of a line that is still to come; one that fills the buffer is no socket.
    kept = text.size() < buffer.size() ? text.size() : 0;
    std::memmove(buffer.data(), text.data(), kept);
  }
  return false;
}

std::optional<TcpSocket> find_socket(const Root& root,
                                     const std::function<bool(const TcpSocket&)>& wanted) {
  std::optional<TcpSocket> result;
  const auto keep = [&](const TcpSocket& socket) {
    // A socket without an inode belongs to nobody any more; its uid of 0 does not mean root.
    if (socket.inode == 0 || !wanted(socket)) {
      return false;
    }
    result = socket;
    return true;
  };
  static_cast<void>(search_file(root, "/proc/net/tcp", keep) ||
                    search_file(root, "/proc/net/tcp6", keep));
  return result;
}

TcpEndpoint unmapped(TcpEndpoint endpoint) {
  if (endpoint.address.starts_with(kMappedPrefix) &&
      endpoint.address.find('.') != std::string::npos) {
    endpoint.address.erase(0, kMappedPrefix.size());
  }
  return endpoint;
}

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

/// True when one of the process's open files is the socket `link` ("socket:[123]").
bool holds(const Root& root, std::string_view pid, std::string_view link) {
  const Directory files(::opendir(root.at(fmt::format("/proc/{}/fd", pid)).c_str()));
  while (const dirent* entry = files ? ::readdir(files.get()) : nullptr) {
    std::array<char, 64> target;
    const ssize_t size =
        ::readlinkat(::dirfd(files.get()), entry->d_name, target.data(), target.size());
    if (size > 0 && std::string_view(target.data(), static_cast<std::size_t>(size)) == link) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<TcpSocket> parse_net_tcp(std::string_view text) {
  std::vector<TcpSocket> sockets;
  while (!text.empty()) {
    if (auto socket = parse_socket(take_line(text))) {
      sockets.push_back(std::move(*socket));
    }
  }
  return sockets;
}

std::optional<uid_t> user_of_connection(const Root& root, const TcpEndpoint& local,
                                        const TcpEndpoint& remote) {
  const auto socket = find_socket(root, [&, near = unmapped(local),
                                         far = unmapped(remote)](const TcpSocket& candidate) {
    return candidate.state == kEstablished && candidate.local == near && candidate.remote == far;
  });
  return socket ? std::optional(socket->uid) : std::nullopt;
}

std::optional<PortHolder> holder_of_port(const Root& root, std::uint16_t port) {
  const auto socket = find_socket(root, [port](const TcpSocket& candidate) {
    return candidate.state == kListening && candidate.local.port == port;
  });
  if (!socket) {
    return std::nullopt;
  }
  PortHolder holder{.uid = socket->uid, .pid = std::nullopt, .command = {}};
  const std::string link = fmt::format("socket:[{}]", socket->inode);
  const Directory processes(::opendir(root.at("/proc").c_str()));
  while (const dirent* entry = processes ? ::readdir(processes.get()) : nullptr) {
    const auto pid = to_number<pid_t>(entry->d_name);
    if (!pid || *pid <= 0 || !holds(root, entry->d_name, link)) {
      continue;
    }
    holder.pid = *pid;
    holder.command = parse_cmdline(root.read(fmt::format("/proc/{}/cmdline", *pid)).value_or(""));
    if (holder.command.empty()) {
      std::string comm = root.read(fmt::format("/proc/{}/comm", *pid)).value_or("");
      comm.erase(std::min(comm.find('\n'), comm.size()));
      holder.command = printable(comm);
    }
    break;
  }
  return holder;
}

}  // namespace levee::sources
