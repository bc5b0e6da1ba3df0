#include "server/response_head.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace levee::server {
namespace {

constexpr std::array<std::pair<int, std::string_view>, 29> kReasons{{
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
}};

constexpr std::array<std::string_view, 4> kReserved{"content-length", "content-type", "connection",
                                                    "transfer-encoding"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kUsual{{
    {"Server", "levee"},
    {"Cache-Control", "no-store"},
    {"X-Content-Type-Options", "nosniff"},
}};

bool same_name(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
}

bool is_token(std::string_view name) noexcept {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

bool is_one_line(std::string_view value) noexcept {
  return std::ranges::none_of(
      value, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
}

bool is_sendable(const std::pair<std::string, std::string>& header) noexcept {
  return is_token(header.first) && is_one_line(header.second) &&
         std::ranges::none_of(kReserved,
                              [&](std::string_view name) { return same_name(name, header.first); });
}

}  // namespace

bool may_have_body(int status) noexcept { return status >= 200 && status != 204 && status != 304; }

std::string_view reason_phrase(int status) noexcept {
  const auto found = std::ranges::find(kReasons, status, &std::pair<int, std::string_view>::first);
  return found == kReasons.end() ? "Unknown" : found->second;
}

void append_head(std::string& out, const api::Response& response, Framing framing) {
  auto to = std::back_inserter(out);
  fmt::format_to(to, "HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  if (framing == Framing::stream) {
    out += "Content-Type: text/event-stream\r\n";
  } else if (may_have_body(response.status)) {
    fmt::format_to(
        to, "Content-Type: {}\r\nContent-Length: {}\r\n",
        is_one_line(response.content_type) ? response.content_type : "application/octet-stream",
        response.body->size());
  }
  for (const auto& [name, value] : kUsual) {
    if (std::ranges::none_of(response.headers,
                             [&](const auto& own) { return same_name(own.first, name); })) {
      fmt::format_to(to, "{}: {}\r\n", name, value);
    }
  }
  for (const auto& header : response.headers) {
    if (is_sendable(header)) {
      fmt::format_to(to, "{}: {}\r\n", header.first, header.second);
    }
  }
  if (framing == Framing::close || framing == Framing::stream) {
    out += "Connection: close\r\n";
  } else if (framing == Framing::keep_alive_http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
}

void append_upgrade(std::string& out, std::string_view protocol) {
  fmt::format_to(std::back_inserter(out),
                 "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {}\r\n\r\n",
                 protocol);
}

}  // namespace levee::server
