#include "client/error_reply.hpp"

#include <fmt/core.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace levee::client {
namespace {

using nlohmann::json;

constexpr std::size_t kQuoted = 200;  ///< Of a body that is not ours.

ErrorCode code_of_status(int status) {
  switch (status) {
    case 401:
    case 403:
      return ErrorCode::permission_denied;
    case 404:
      return ErrorCode::not_found;
    case 408:
    case 504:
      return ErrorCode::timed_out;
    case 409:
      return ErrorCode::already_exists;
    case 429:
      return ErrorCode::resource_exhausted;
    case 502:
    case 503:
      return ErrorCode::unavailable;
    default:
      return status >= 500 ? ErrorCode::internal : ErrorCode::invalid_argument;
  }
}

std::optional<ErrorCode> code_of_name(std::string_view name) {
  constexpr std::array kCodes{
      ErrorCode::invalid_argument, ErrorCode::not_found,   ErrorCode::permission_denied,
      ErrorCode::already_exists,   ErrorCode::unavailable, ErrorCode::resource_exhausted,
      ErrorCode::corrupt,          ErrorCode::timed_out,   ErrorCode::internal,
  };
  for (const ErrorCode code : kCodes) {
    if (to_string(code) == name) {
      return code;
    }
  }
  return std::nullopt;
}

/// The text of `key`; a detail that is no text (a list of faults, say) as JSON.
std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) {
    return {};
  }
  return found->is_string() ? found->get<std::string>()
                            : found->dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

Error error_of_reply(int status, std::string_view body) {
  const json reply = json::parse(body, nullptr, /*allow_exceptions=*/false);
  std::string message;
  std::string hint;
  std::optional<ErrorCode> code;
  if (reply.is_object()) {
    message = text(reply, "detail");
    if (message.empty()) {
      message = text(reply, "error");
    }
    hint = text(reply, "hint");
    code = code_of_name(text(reply, "code"));
  }
  if (message.empty()) {
    message = fmt::format("the daemon answered with HTTP status {}{}{}", status,
                          body.empty() ? "" : ": ", body.substr(0, kQuoted));
  }
  return Error{code.value_or(code_of_status(status)), std::move(message), std::move(hint)};
}

}  // namespace levee::client
