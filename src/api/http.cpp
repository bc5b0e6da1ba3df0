#include "api/http.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/json.hpp"

namespace levee::api {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

enum class Plus { literal, space };

/// Percent-decodes `text`; in a query a plus sign is a space, as forms write it.
Result<std::string> decode(std::string_view text, Plus plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return fail(ErrorCode::invalid_argument,
                    fmt::format("\"{}\" is not a percent escape", text.substr(i, 3)),
                    "write a percent sign as %25 and other bytes as two hexadecimal digits");
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus == Plus::space) {
      c = ' ';
    }
    if (c == '\0') {
      return fail(ErrorCode::invalid_argument, "the address contains a NUL byte",
                  "leave it out: no path and no parameter of Levee needs one");
    }
    decoded.push_back(c);
  }
  return decoded;
}

}  // namespace

Result<Target> parse_target(std::string_view target) {
  if (!target.starts_with('/')) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is not a path", target.substr(0, 64)),
                "send a path that begins with a slash, such as /api/v1/monitoring/status");
  }
  const auto question = target.find('?');
  auto path = decode(target.substr(0, question), Plus::literal);
  if (!path) {
    return std::unexpected(path.error());
  }
  Target parsed{.path = std::move(*path), .query = {}};
  std::string_view rest =
      question == std::string_view::npos ? std::string_view{} : target.substr(question + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) {
      continue;
    }
    const auto equals = pair.find('=');
    auto name = decode(pair.substr(0, equals), Plus::space);
    auto value =
        decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1),
               Plus::space);
    if (!name || !value) {
      return std::unexpected(name ? value.error() : name.error());
    }
    parsed.query.emplace_back(std::move(*name), std::move(*value));
  }
  return parsed;
}

int http_status(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument:
      return 400;
    case ErrorCode::permission_denied:
      return 403;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::already_exists:
      return 409;
    case ErrorCode::unavailable:
    case ErrorCode::resource_exhausted:
      return 503;
    case ErrorCode::timed_out:
      return 504;
    case ErrorCode::corrupt:
    case ErrorCode::internal:
      return 500;
  }
  return 500;
}

Response error_response(const Error& error) {
  const nlohmann::ordered_json body{
      {"detail", error.message}, {"hint", error.hint}, {"code", to_string(error.code)}};
  return Response{.status = http_status(error.code),
                  .body = std::make_shared<const std::string>(dump(body)),
                  .headers = {}};
}

}  // namespace levee::api
