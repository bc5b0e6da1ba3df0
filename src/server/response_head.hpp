// The status line and headers of an answer, as bytes. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "api/http.hpp"

namespace levee::server {

/// How the connection goes on after an answer.
enum class Framing {
  keep_alive,           ///< HTTP/1.1: kept without saying so.
  keep_alive_http_1_0,  ///< HTTP/1.0: kept because the client asked.
  close,                ///< Closed after the body.
  stream,               ///< The body ends with the connection; no length.
};

/// Appends the head of `response` to `out`. What the response says about length and connection is
/// left out, as are headers that would break the format: both are the server's business. Its other
/// headers win over the server's usual ones (Cache-Control and the like).
void append_head(std::string& out, const api::Response& response, Framing framing);

/// Appends the head of the answer that leaves HTTP for `protocol`.
void append_upgrade(std::string& out, std::string_view protocol);

/// False for the statuses that never have a body (1xx, 204, 304).
[[nodiscard]] bool may_have_body(int status) noexcept;

/// "Not Found" for 404; "Unknown" for a number without a name.
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

}  // namespace levee::server
