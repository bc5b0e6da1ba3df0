// Client: a connection to a running daemon over its Unix socket.
//
// Finds the daemon the way every Levee tool does: $LEVEE_SOCKET, then /run/levee/levee.sock, then
// the user's own. One Client serves one thread at a time; connections are kept between calls.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "levee/result.hpp"

namespace levee {

class Client {
 public:
  struct Reply {
    int status = 0;  ///< HTTP status.
    std::string body;
  };

  /// Connects to the daemon at `socket`, or to the first one found. `unavailable` when none
  /// answers: the hint says how to start one.
  [[nodiscard]] static Result<Client> connect(
      const std::optional<std::filesystem::path>& socket = std::nullopt);

  /// `path` with its query, e.g. "/api/v1/monitoring/status". An answer of 400 or above comes back
  /// as the Error it carries.
  [[nodiscard]] Result<Reply> get(std::string_view path);

  /// Sends `method` ("POST", "PUT", "DELETE") with a JSON body.
  [[nodiscard]] Result<Reply> send(std::string_view method, std::string_view path,
                                   std::string_view json_body);

  /// Deadline of each call; 5 s unless set.
  void set_timeout(std::chrono::milliseconds timeout);

  [[nodiscard]] const std::filesystem::path& socket() const noexcept;

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee
