// HttpPost: one POST over libcurl that can be interrupted at any moment. Not thread-safe.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "levee/result.hpp"

namespace levee::sinks {

/// The host of `url` ("example.org:8443"), or "" when it has none. Never the path or a password.
[[nodiscard]] std::string host_of(const std::string& url);

class HttpPost {
 public:
  struct Answer {
    long status = 0;                                  ///< HTTP status code.
    std::optional<std::chrono::seconds> retry_after;  ///< What the server asked for.
  };

  /// Of one attempt, from resolving the name to the last byte of the answer.
  HttpPost(const std::string& url, std::chrono::milliseconds timeout);
  ~HttpPost();
  HttpPost(const HttpPost&) = delete;
  HttpPost& operator=(const HttpPost&) = delete;

  /// Sends `json`. `invalid_argument` when the URL is unusable, `timed_out`, `unavailable` when
  /// nobody answers or `stop` was requested.
  [[nodiscard]] Result<Answer> send(const std::string& json, const std::stop_token& stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::sinks
