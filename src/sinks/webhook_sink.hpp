// WebhookSink: POSTs alerts as JSON to one URL, with retry and back-off. One sink per URL, so that
// a dead one delays no other.
//
// 2xx is success. No answer, 408, 429 and 5xx are tried again; any other answer would be the same
// next time. Redirects are not followed: an alert goes where the administrator said and nowhere
// else. The environment's http_proxy, https_proxy and no_proxy are honoured, as curl does. The path
// of a webhook's URL is often its password, so neither the name nor an error shows more than the
// host.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "sinks/sink.hpp"

namespace levee::sinks {

struct WebhookOptions {
  std::string url;  ///< http:// or https://
  Severity min_severity = Severity::warning;
  std::chrono::milliseconds timeout{10'000};  ///< Of one attempt, connection included.
  std::int64_t max_attempts = 8;
  std::chrono::milliseconds first_backoff{1'000};  ///< Doubles up to max_backoff.
  std::chrono::milliseconds max_backoff{60'000};
  /// No attempt begins later than this after the first: newer alerts wait behind this one.
  std::chrono::milliseconds give_up_after{900'000};
};

/// The wait before attempt `attempt` (2, 3, …); a tenth more or less is added when waiting.
[[nodiscard]] std::chrono::milliseconds backoff(const WebhookOptions& options,
                                                std::int64_t attempt) noexcept;

class WebhookSink final : public Sink {
 public:
  /// Its name is "webhook:<host>#<six hex digits of a hash of the URL>".
  explicit WebhookSink(WebhookOptions options);
  ~WebhookSink() override;

 protected:
  [[nodiscard]] bool wants(const Event& event) const noexcept override;
  [[nodiscard]] Result<void> write(const Notification& notification, std::stop_token stop) override;

 private:
  const WebhookOptions options_;
};

}  // namespace levee::sinks
