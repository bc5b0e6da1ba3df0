// The one translation unit that includes Beast.
#include "server/request_parser.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace levee::server {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kFirstBuffer = 4096;  ///< Holds an ordinary request in one read.
constexpr std::size_t kLeastRoom = 1024;

struct Refusal {
  int status;
  std::string message;
  std::string hint;
};

template <class Name>
std::string header(const http::fields& fields, Name name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string{} : std::string{found->value()};
}

/// Rules of RFC 9112 that Beast leaves to its user. Two answers to "which host?", or a body whose
/// end the next program in line may see elsewhere, are how requests get smuggled.
std::optional<Refusal> check_header(const http::request_header<>& head, bool chunked) {
  for (const auto name : {http::field::host, http::field::origin}) {
    if (head.count(name) > 1) {
      return Refusal{400, fmt::format("the header {} came twice", std::string{to_string(name)}),
                     "Send it once"};
    }
  }
  const auto encoding = head.find(http::field::transfer_encoding);
  if (encoding != head.end() &&
      (!chunked || !boost::beast::iequals(encoding->value(), "chunked"))) {
    return Refusal{
        501,
        fmt::format("Transfer-Encoding \"{}\" is not supported", std::string{encoding->value()}),
        "Send Content-Length, or Transfer-Encoding: chunked"};
  }
  return std::nullopt;
}

}  // namespace

struct RequestParser::Impl {
  using Parser = http::request_parser<http::string_body>;

  const std::size_t header_bytes;
  const std::size_t body_bytes;
  std::vector<char> buffer = std::vector<char>(kFirstBuffer);
  std::size_t begin = 0;  ///< Of the bytes not parsed yet.
  std::size_t end = 0;
  std::optional<Parser> parser;
  std::size_t header_seen = 0;  ///< Bytes of request line and headers parsed.
  bool header_taken = false;
  bool continue_wanted = false;
  bool refused = false;
  Message message;
  api::Response refusal;

  Impl(std::size_t header_limit, std::size_t body_limit)
      : header_bytes(header_limit), body_bytes(body_limit) {
    reset();
  }

  void reset() {
    parser.emplace();
    parser->header_limit(static_cast<std::uint32_t>(header_bytes));
    parser->body_limit(body_bytes);
    header_seen = 0;
    header_taken = false;
    continue_wanted = false;
  }

  State refuse(const Refusal& reason) {
    refusal = api::error_response(Error{ErrorCode::invalid_argument, reason.message, reason.hint});
    refusal.status = reason.status;
    refused = true;
    return State::refused;
  }

  State refuse_header_size() {
    return refuse({431, fmt::format("the request's headers are larger than {} bytes", header_bytes),
                   "Send fewer or shorter headers"});
  }

  State refuse(const error_code& error) {
    if (error == http::error::header_limit) {
      return refuse_header_size();
    }
    if (error == http::error::body_limit || error == http::error::buffer_overflow) {
      return refuse({413, fmt::format("the request's body is larger than {} bytes", body_bytes),
                     "Send a smaller body"});
    }
    return refuse({400, fmt::format("this is not a valid HTTP request: {}", error.message()),
                   "Send HTTP/1.1 or HTTP/1.0, without TLS"});
  }

  /// An empty line before a request is a leftover of careless clients (RFC 9112, 2.2).
  void skip_empty_lines() {
    while (!parser->got_some() && begin < end) {
      const std::size_t left = end - begin;
      if (buffer[begin] == '\n') {
        begin += 1;
      } else if (buffer[begin] == '\r' && left > 1 && buffer[begin + 1] == '\n') {
        begin += 2;
      } else {
        return;
      }
    }
  }

  /// Half an empty line before a request. Or less than the shortest end of a chunked body,
  /// "0\r\n\r\n", which always remains from where Beast 1.81 stops to wait for more: it asserts
  /// that much when the end of an empty body comes in pieces.
  [[nodiscard]] bool too_little_to_parse() const {
    if (header_taken) {
      return parser->chunked() && end - begin < 5;
    }
    return !parser->got_some() && end - begin == 1 && buffer[begin] == '\r';
  }

  /// Copied as soon as the headers are complete: trailers of a chunked body must not add to them.
  std::optional<Refusal> take_header() {
    const auto& head = parser->get().base();
    if (auto refusal_of_header = check_header(head, parser->chunked())) {
      return refusal_of_header;
    }
    api::Request& request = message.request;
    request.method = std::string{head.method_string()};
    request.target = std::string{head.target()};
    request.host = header(head, http::field::host);
    request.origin = header(head, http::field::origin);
    request.accept = header(head, http::field::accept);
    request.content_type = header(head, http::field::content_type);
    request.last_event_id = header(head, "Last-Event-ID");
    if (head.version() >= 11 && http::token_list{head[http::field::connection]}.exists("upgrade")) {
      request.upgrade = header(head, http::field::upgrade);
    }
    message.keep_alive = parser->keep_alive();
    message.http_1_0 = head.version() < 11;
    continue_wanted = !message.http_1_0 && !parser->is_done() &&
                      boost::beast::iequals(head[http::field::expect], "100-continue");
    header_taken = true;
    return std::nullopt;
  }

  State advance() {
    if (refused) {
      return State::refused;
    }
    skip_empty_lines();
    while (begin < end && !parser->is_done() && !too_little_to_parse()) {
      error_code error;
      const std::size_t used =
          parser->put(boost::asio::buffer(buffer.data() + begin, end - begin), error);
      begin += used;
      header_seen += header_taken ? 0 : used;
      if (error == http::error::need_more) {
        break;
      }
      if (error) {
        return refuse(error);
      }
      if (!header_taken && parser->is_header_done()) {
        if (header_seen > header_bytes) {
          return refuse_header_size();
        }
        if (const auto reason = take_header()) {
          return refuse(*reason);
        }
      }
    }
    if (parser->is_done()) {
      return State::complete;
    }
    return make_room() ? State::partial : refuse_header_size();
  }

  /// False when a header, or the line before a chunk, fills all the room it may have.
  bool make_room() {
    if (begin == end) {
      begin = end = 0;
    }
    if (buffer.size() - end >= kLeastRoom) {
      return true;
    }
    if (begin > 0) {
      std::memmove(buffer.data(), buffer.data() + begin, end - begin);
      end -= begin;
      begin = 0;
    }
    if (end > header_bytes) {
      return false;
    }
    if (buffer.size() - end < kLeastRoom) {
      buffer.resize(std::min(buffer.size() * 2, header_bytes + 2 * kLeastRoom));
    }
    return true;
  }
};

RequestParser::RequestParser(std::size_t header_bytes, std::size_t body_bytes)
    : impl_(std::make_unique<Impl>(header_bytes, body_bytes)) {}

RequestParser::~RequestParser() = default;

std::span<char> RequestParser::prepare() { return std::span{impl_->buffer}.subspan(impl_->end); }

RequestParser::State RequestParser::commit(std::size_t size) {
  impl_->end += size;
  return impl_->advance();
}

RequestParser::State RequestParser::advance() { return impl_->advance(); }

RequestParser::Message RequestParser::take() {
  Message message = std::exchange(impl_->message, {});
  message.request.body = std::move(impl_->parser->get().body());
  impl_->reset();
  return message;
}

bool RequestParser::started() const noexcept {
  return impl_->begin < impl_->end || impl_->parser->got_some();
}

bool RequestParser::wants_continue() { return std::exchange(impl_->continue_wanted, false); }

const api::Response& RequestParser::refusal() const noexcept { return impl_->refusal; }

std::string_view RequestParser::rest() const noexcept {
  return {impl_->buffer.data() + impl_->begin, impl_->end - impl_->begin};
}

void RequestParser::discard() noexcept { impl_->begin = impl_->end = 0; }

}  // namespace levee::server
