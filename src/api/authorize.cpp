#include "api/authorize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>

namespace levee::api {
namespace {

constexpr uid_t kRoot = 0;

/// The least standing a peer needs for an action, and the standing of a peer; more compares
/// greater.
enum class Standing { anybody, some_user, owner };

Standing needed_for(Action action) noexcept {
  switch (action) {
    case Action::read:
      return Standing::anybody;
    case Action::book_own:
    case Action::manage_own:
      return Standing::some_user;
    case Action::administer:
      return Standing::owner;
  }
  return Standing::owner;
}

Standing standing_of(const Authority& authority, const Peer& peer) noexcept {
  if (!peer.uid) {
    return Standing::anybody;
  }
  return *peer.uid == kRoot || *peer.uid == authority.daemon_uid ? Standing::owner
                                                                 : Standing::some_user;
}

/// A host and port as Host and Origin name them.
struct Place {
  std::string host;  ///< Lower case.
  std::uint16_t port = 80;
  bool operator==(const Place&) const = default;
};

std::optional<Place> parse_place(std::string_view text) {
  // The host ends at the last colon outside the brackets of an IPv6 address.
  const auto bracket = text.rfind(']');
  const auto colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  Place place{.host = std::string(text.substr(0, colon))};
  std::ranges::transform(place.host, place.host.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), place.port);
    if (error != std::errc{} || end != port.data() + port.size() || place.port == 0) {
      return std::nullopt;
    }
  }
  return place;
}

/// Four decimal numbers below 256, the first of them 127.
bool is_ipv4_loopback(std::string_view host) {
  int parts = 0;
  while (parts < 4) {
    const std::string_view part = host.substr(0, host.find('.'));
    unsigned value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc{} || end != part.data() + part.size() || part.size() > 3 ||
        value > 255 || (parts == 0 && value != 127)) {
      return false;
    }
    ++parts;
    if (part.size() == host.size()) {
      return parts == 4;
    }
    host.remove_prefix(part.size() + 1);
  }
  return false;
}

/// Only names that no name server is asked about: a page that rebinds its own name to 127.0.0.1
/// still sends that name.
bool is_loopback_name(std::string_view host) {
  return host == "localhost" || host == "[::1]" || is_ipv4_loopback(host);
}

}  // namespace

Result<void> authorize(const Authority& authority, const Peer& peer, Action action) {
  if (standing_of(authority, peer) >= needed_for(action)) {
    return {};
  }
  if (!peer.uid) {
    return fail(ErrorCode::permission_denied,
                "this changes something, and the user who asks could not be found",
                "use the Unix socket of the daemon, which tells who asks");
  }
  return fail(ErrorCode::permission_denied,
              fmt::format("user {} may not administer this daemon", *peer.uid),
              fmt::format("ask as the user who runs it (uid {}) or as root", authority.daemon_uid));
}

Result<void> authorize(const Authority& authority, const Peer& peer, uid_t owner) {
  if (peer.uid == owner || standing_of(authority, peer) == Standing::owner) {
    return {};
  }
  if (!peer.uid) {
    return authorize(authority, peer, Action::manage_own);
  }
  return fail(ErrorCode::permission_denied,
              fmt::format("user {} may not act on what belongs to user {}", *peer.uid, owner),
              fmt::format("ask as that user, as the user who runs the daemon (uid {}) or as root",
                          authority.daemon_uid));
}

Result<void> check_origin(Peer::Via via, std::string_view host, std::string_view origin) {
  if (via == Peer::Via::unix_socket) {
    return {};  // No browser can reach it.
  }
  const auto place = parse_place(host);
  if (!place || !is_loopback_name(place->host)) {
    return fail(ErrorCode::permission_denied,
                host.empty() ? std::string("the request has no Host header")
                             : fmt::format("\"{}\" is not a name of this machine's loopback",
                                           host.substr(0, 128)),
                "address the daemon as localhost, 127.0.0.1 or [::1]");
  }
  if (origin.empty()) {
    return {};
  }
  constexpr std::string_view kScheme = "http://";
  if (!origin.starts_with(kScheme) || parse_place(origin.substr(kScheme.size())) != place) {
    return fail(ErrorCode::permission_denied,
                fmt::format("a page of another origin (\"{}\") may not ask this daemon",
                            origin.substr(0, 128)),
                "open the page from the daemon itself, or send the request without a browser");
  }
  return {};
}

}  // namespace levee::api
