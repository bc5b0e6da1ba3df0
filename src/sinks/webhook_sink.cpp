#include "sinks/webhook_sink.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <string_view>
#include <utility>

#include "sinks/http_post.hpp"

namespace levee::sinks {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kCapacity = 256;

/// Unique among webhooks, also for two of one host, without showing the secret in the path.
std::string name_of(const std::string& url) {
  const std::string host = host_of(url);
  return fmt::format("webhook:{}#{:06x}", host.empty() ? "invalid" : host,
                     std::hash<std::string>{}(url) & 0xffffffU);
}

bool is_success(long status) { return status >= 200 && status < 300; }

bool may_change(long status) { return status == 408 || status == 429 || status >= 500; }

/// `wait` with a tenth more or less, so that many daemons do not all knock at the same moment.
milliseconds jittered(milliseconds wait) {
  thread_local std::minstd_rand random{std::random_device{}()};
  std::uniform_real_distribution<double> factor(0.9, 1.1);
  return std::chrono::duration_cast<milliseconds>(wait * factor(random));
}

/// False when `stop` was requested before the time was over.
bool wait_for(milliseconds wait, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, wait, [] { return false; });
  return !stop.stop_requested();
}

Error refusal(const std::string& host, long status) {
  return {may_change(status) ? ErrorCode::unavailable : ErrorCode::invalid_argument,
          fmt::format("{} answered with status {}", host, status),
          status >= 300 && status < 400
              ? "redirects are not followed: set the final address in webhook.urls"
              : "see the logs of that server"};
}

}  // namespace

milliseconds backoff(const WebhookOptions& options, std::int64_t attempt) noexcept {
  if (attempt < 2) {
    return milliseconds{0};
  }
  milliseconds wait = options.first_backoff;
  for (std::int64_t i = 2; i < attempt && wait < options.max_backoff; ++i) {
    wait *= 2;
  }
  return std::min(wait, options.max_backoff);
}

WebhookSink::WebhookSink(WebhookOptions options)
    : Sink(name_of(options.url), kCapacity), options_(std::move(options)) {
  start();
}

WebhookSink::~WebhookSink() { stop(milliseconds{0}); }

bool WebhookSink::wants(const Event& event) const noexcept {
  return is_for_people(event, options_.min_severity);
}

Result<void> WebhookSink::write(const Notification& notification, std::stop_token stop) {
  HttpPost post(options_.url, options_.timeout);
  const Clock::time_point give_up = Clock::now() + options_.give_up_after;
  for (std::int64_t attempt = 1;; ++attempt) {
    const Result<HttpPost::Answer> answer = post.send(notification.json, stop);
    if (answer && is_success(answer->status)) {
      return {};
    }
    Error failure = answer ? refusal(host_of(options_.url), answer->status) : answer.error();
    if (failure.code == ErrorCode::invalid_argument || attempt >= options_.max_attempts) {
      return std::unexpected(std::move(failure));
    }
    milliseconds wait = jittered(backoff(options_, attempt + 1));
    if (answer && answer->retry_after) {
      wait = std::max<milliseconds>(
          wait, std::min<milliseconds>(*answer->retry_after, options_.max_backoff));
    }
    if (Clock::now() + wait > give_up || !wait_for(wait, stop)) {
      return std::unexpected(std::move(failure));
    }
  }
}

}  // namespace levee::sinks
