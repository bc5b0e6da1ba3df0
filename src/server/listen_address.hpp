// ListenAddress: the text of --listen as a loopback address. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "levee/result.hpp"

namespace levee::server {

struct ListenAddress {
  bool v6 = false;
  std::string address;  ///< In the kernel's spelling: "127.0.0.1", "::1".
  std::uint16_t port = 0;
  bool operator==(const ListenAddress&) const = default;
};

/// "127.0.0.1:8000", "[::1]:8000", "localhost:8000"; port 0 picks a free one. "off" is nothing.
/// Anything that is not a loopback address is refused.
[[nodiscard]] Result<std::optional<ListenAddress>> parse_listen(std::string_view text);

}  // namespace levee::server
