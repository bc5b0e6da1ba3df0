// What an answer of 400 or above says, as an Error. Pure; thread-safe.
#pragma once

#include <string_view>

#include "levee/result.hpp"

namespace levee::client {

/// Reads {"detail", "hint", "code"} and {"success": false, "error": …}; anything else is quoted.
/// The code comes from "code" if it is a known name, else from `status`.
[[nodiscard]] Error error_of_reply(int status, std::string_view body);

}  // namespace levee::client
