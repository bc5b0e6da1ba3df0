// RequestParser: the bytes of one client, cut into requests. The only file that knows how HTTP is
// read; sockets and time are its caller's. Not thread-safe: each connection has its own.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "api/http.hpp"

namespace levee::server {

class RequestParser {
 public:
  /// What the bytes so far amount to.
  enum class State {
    partial,   ///< More must come: read into prepare().
    complete,  ///< A request is there: take() it.
    refused,   ///< No request will come any more: answer refusal() and close.
  };

  struct Message {
    api::Request request;  ///< `via` and `peer_uid` are the caller's to fill in.
    bool keep_alive = false;
    bool http_1_0 = false;
  };

  /// A request line with its headers, and a body, may have at most these sizes.
  RequestParser(std::size_t header_bytes, std::size_t body_bytes);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  /// Room for the client's next bytes, never empty while partial. Asking twice gives the same room.
  [[nodiscard]] std::span<char> prepare();

  /// Says that `size` bytes have been put into that room.
  State commit(std::size_t size);

  /// Looks at the bytes already here: after take(), a further request may be among them.
  State advance();

  /// The complete request; the parser is ready for the next one.
  [[nodiscard]] Message take();

  /// True once a byte of the request that is not complete yet is here.
  [[nodiscard]] bool started() const noexcept;

  /// True if the client waits for "100 Continue" before it sends the body; true once per request.
  [[nodiscard]] bool wants_continue();

  /// The answer to bytes that are no request: 400, 413, 431 or 501.
  [[nodiscard]] const api::Response& refusal() const noexcept;

  /// Bytes that came after the last request that was taken.
  [[nodiscard]] std::string_view rest() const noexcept;

  /// Forgets all bytes not parsed yet, to make room for bytes nobody will look at.
  void discard() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::server
