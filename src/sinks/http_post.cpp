#include "sinks/http_post.hpp"

#include <curl/curl.h>
#include <fmt/core.h>

#include <mutex>
#include <new>
#include <utility>

#include "levee/version.hpp"

namespace levee::sinks {
namespace {

/// The longest answer that is read; nobody looks at it.
constexpr std::size_t kAnswerLimit = std::size_t{64} * 1024;

template <auto free>
struct Free {
  template <class T>
  void operator()(T* handle) const {
    free(handle);
  }
};
using Easy = std::unique_ptr<CURL, Free<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Free<curl_multi_cleanup>>;
using Headers = std::unique_ptr<curl_slist, Free<curl_slist_free_all>>;
using Url = std::unique_ptr<CURLU, Free<curl_url_cleanup>>;
using UrlPart = std::unique_ptr<char, Free<curl_free>>;

void prepare_library() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

/// Counts and forgets; too long an answer ends the transfer.
std::size_t swallow(char* /*data*/, std::size_t size, std::size_t count, void* received) {
  auto& total = *static_cast<std::size_t*>(received);
  total += size * count;
  return total <= kAnswerLimit ? size * count : 0;
}

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) {
    return {};
  }
  return UrlPart(text).get();
}

/// `url` taken apart, or nothing when it is none. The scheme must be written out.
Url parse(const std::string& url) {
  Url parsed(curl_url());
  const bool is_url =
      parsed && curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
  return is_url ? std::move(parsed) : nullptr;
}

bool is_web_address(const std::string& url) {
  const Url parsed = parse(url);
  const std::string scheme = parsed ? part_of(parsed.get(), CURLUPART_SCHEME) : "";
  return scheme == "http" || scheme == "https";
}

}  // namespace

std::string host_of(const std::string& url) {
  const Url parsed = parse(url);
  if (!parsed) {
    return {};
  }
  const std::string host = part_of(parsed.get(), CURLUPART_HOST);
  const std::string port = part_of(parsed.get(), CURLUPART_PORT);
  return port.empty() ? host : host + ":" + port;
}

struct HttpPost::Impl {
  std::string host;
  bool is_usable = false;
  Multi multi;
  Easy easy;
  Headers headers;
  std::size_t received = 0;

  Result<CURLcode> transfer(const std::stop_token& stop);
  [[nodiscard]] Result<Answer> answer(CURLcode result) const;
};

HttpPost::HttpPost(const std::string& url, std::chrono::milliseconds timeout)
    : impl_(std::make_unique<Impl>()) {
  prepare_library();
  impl_->host = host_of(url);
  impl_->is_usable = is_web_address(url);
  impl_->multi.reset(curl_multi_init());
  impl_->easy.reset(curl_easy_init());
  CURL* easy = impl_->easy.get();
  if (easy == nullptr || !impl_->multi) {
    throw std::bad_alloc();
  }
  curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
  // Without this, curl waits a second for "100 Continue" before it sends a larger body.
  impl_->headers.reset(curl_slist_append(headers, "Expect:"));

  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, impl_->headers.get());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, fmt::format("levee/{}", kVersion).c_str());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &impl_->received);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // A name that cannot be resolved would otherwise hold up the end of the thread for its own time.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

HttpPost::~HttpPost() = default;

Result<HttpPost::Answer> HttpPost::send(const std::string& json, const std::stop_token& stop) {
  if (!impl_->is_usable) {
    return fail(ErrorCode::invalid_argument, "not a web address",
                "addresses begin with http:// or https://");
  }
  CURL* easy = impl_->easy.get();
  impl_->received = 0;
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, json.data());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
  curl_multi_add_handle(impl_->multi.get(), easy);
  const Result<CURLcode> result = impl_->transfer(stop);
  curl_multi_remove_handle(impl_->multi.get(), easy);
  return result ? impl_->answer(*result) : std::unexpected(result.error());
}

/// Runs the transfer to its end; the stop request wakes it up.
Result<CURLcode> HttpPost::Impl::transfer(const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] { curl_multi_wakeup(multi.get()); });
  for (int running = 1; running > 0;) {
    if (stop.stop_requested()) {
      return fail(ErrorCode::unavailable, "given up: the sink is being stopped");
    }
    CURLMcode failure = curl_multi_perform(multi.get(), &running);
    if (failure == CURLM_OK && running > 0) {
      failure = curl_multi_poll(multi.get(), nullptr, 0, 1'000, nullptr);
    }
    if (failure != CURLM_OK) {
      return fail(ErrorCode::internal, curl_multi_strerror(failure));
    }
  }
  int queued = 0;
  const CURLMsg* done = curl_multi_info_read(multi.get(), &queued);
  return done != nullptr ? done->data.result : CURLE_RECV_ERROR;
}

Result<HttpPost::Answer> HttpPost::Impl::answer(CURLcode result) const {
  Answer answer;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  // The status came before the body, so a body that is too long does not matter.
  const bool was_cut = result == CURLE_WRITE_ERROR && received > kAnswerLimit;
  if (result != CURLE_OK && !was_cut) {
    return fail(result == CURLE_OPERATION_TIMEDOUT ? ErrorCode::timed_out : ErrorCode::unavailable,
                fmt::format("{}: {}", host, curl_easy_strerror(result)));
  }
  curl_off_t seconds = 0;
  if (curl_easy_getinfo(easy.get(), CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0) {
    answer.retry_after = std::chrono::seconds{seconds};
  }
  return answer;
}

}  // namespace levee::sinks
