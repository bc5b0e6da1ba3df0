#include "server/listen_address.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>

#include <charconv>

namespace levee::server {
namespace {

constexpr std::string_view kForm =
    R"(write "127.0.0.1:8000", "[::1]:8000", "localhost:8000" or "off"; port 0 picks a free one)";

struct Parts {
  std::string host;
  std::string_view port;
  bool bracketed = false;
};

std::optional<Parts> split(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    return Parts{std::string{host.substr(1, host.size() - 2)}, port, true};
  }
  if (host.empty() || host.find_first_of(":[]") != std::string_view::npos) {
    return std::nullopt;
  }
  return Parts{std::string{host}, port, false};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return port;
}

enum class Reach { no_address, loopback, wider };

Reach reach_of_v4(const std::string& host) {
  in_addr address{};
  if (::inet_pton(AF_INET, host.c_str(), &address) != 1) {
    return Reach::no_address;
  }
  return (ntohl(address.s_addr) >> 24) == 127 ? Reach::loopback : Reach::wider;
}

Reach reach_of_v6(const std::string& host) {
  in6_addr address{};
  if (::inet_pton(AF_INET6, host.c_str(), &address) != 1) {
    return Reach::no_address;
  }
  const auto& bytes = address.s6_addr;
  for (std::size_t i = 0; i < 15; ++i) {
    if (bytes[i] != 0) {
      return Reach::wider;
    }
  }
  return bytes[15] == 1 ? Reach::loopback : Reach::wider;
}

}  // namespace

Result<std::optional<ListenAddress>> parse_listen(std::string_view text) {
  if (text == "off") {
    return std::nullopt;
  }
  const auto parts = text.find('\0') == std::string_view::npos ? split(text) : std::nullopt;
  if (!parts) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is not an address to listen on", text), std::string{kForm});
  }
  const auto port = parse_port(parts->port);
  if (!port) {
    return fail(ErrorCode::invalid_argument,
                fmt::format(R"("{}" in "{}" is not a port from 0 to 65535)", parts->port, text),
                std::string{kForm});
  }
  if (!parts->bracketed && parts->host == "localhost") {
    return ListenAddress{false, "127.0.0.1", *port};
  }
  const Reach reach = parts->bracketed ? reach_of_v6(parts->host) : reach_of_v4(parts->host);
  if (reach == Reach::wider) {
    return fail(
        ErrorCode::invalid_argument, fmt::format("\"{}\" is not a loopback address", parts->host),
        "Listening wider needs a token and TLS, which this version does not offer; "
        "listen on 127.0.0.1 or [::1], and forward the port over SSH to reach it from afar");
  }
  if (reach == Reach::no_address) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is not an address of this machine", parts->host),
                std::string{kForm});
  }
  return ListenAddress{parts->bracketed, parts->bracketed ? "::1" : parts->host, *port};
}

}  // namespace levee::server
