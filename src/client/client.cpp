#include "levee/client.hpp"

#include <curl/curl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "client/endpoint.hpp"
#include "client/error_reply.hpp"
#include "client/find_daemon.hpp"

namespace levee {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLargestReply = std::size_t{64} * 1024 * 1024;
constexpr const char* kStartOne = "start one with `levee serve`";

struct HandleDeleter {
  void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, HandleDeleter>;
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

/// Once per process, and before the first handle: libcurl's own lazy start is not thread-safe.
bool library_ready() {
  static const bool kReady = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return kReady;
}

/// libcurl calls this through C: nothing may be thrown across.
std::size_t append_body(char* data, std::size_t size, std::size_t count, void* out) noexcept {
  auto& body = *static_cast<std::string*>(out);
  const std::size_t bytes = size * count;
  if (bytes > kLargestReply - body.size()) {
    return 0;
  }
  try {
    body.append(data, bytes);
  } catch (...) {
    return 0;
  }
  return bytes;
}

Result<void> check_path(std::string_view path) {
  const bool clean = std::ranges::none_of(path, [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '#' || c == '\\';
  });
  if (!path.starts_with('/') || !clean) {
    return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is not a path to ask for", path),
                "begin with a slash and percent-encode spaces, '#' and control characters");
  }
  return {};
}

Result<void> check_method(std::string_view method) {
  constexpr std::array<std::string_view, 3> kMethods{"POST", "PUT", "DELETE"};
  if (std::ranges::find(kMethods, method) == kMethods.end()) {
    return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is not a method to send", method),
                "use POST, PUT or DELETE");
  }
  return {};
}

}  // namespace

struct Client::Impl {
  std::filesystem::path socket;
  Handle handle;
  std::chrono::milliseconds timeout = 5s;

  Result<Reply> perform(const char* method, std::string_view path, const std::string_view* body);
  void prepare(const std::string& url, std::string& reply);
  [[nodiscard]] Error failure(CURLcode code, const char* details) const;
};

void Client::Impl::prepare(const std::string& url, std::string& reply) {
  CURL* curl = handle.get();
  curl_easy_reset(curl);  // Keeps the connection.
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");  // Also keeps $http_proxy out.
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "levee");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
}

Error Client::Impl::failure(CURLcode code, const char* details) const {
  const std::string& at = socket.native();
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return {ErrorCode::timed_out,
              fmt::format("the daemon at {} did not answer within {} ms", at, timeout.count()),
              "it may be busy: try again, or allow more time with --timeout"};
    case CURLE_WRITE_ERROR:
      return {ErrorCode::resource_exhausted,
              fmt::format("the answer is larger than {} MiB", kLargestReply >> 20),
              "ask for less, e.g. a shorter window or a smaller limit"};
    case CURLE_COULDNT_CONNECT:
      return {ErrorCode::unavailable, fmt::format("the daemon at {} no longer answers", at),
              kStartOne};
    case CURLE_OUT_OF_MEMORY:
      return {ErrorCode::resource_exhausted, "out of memory while asking the daemon", {}};
    default:
      return {ErrorCode::unavailable,
              fmt::format("the connection to the daemon at {} failed: {}", at,
                          *details != '\0' ? details : curl_easy_strerror(code)),
              "look at the daemon's log, or start it again with `levee serve`"};
  }
}

Result<Client::Reply> Client::Impl::perform(const char* method, std::string_view path,
                                            const std::string_view* body) {
  if (auto good = check_path(path); !good) {
    return std::unexpected(std::move(good.error()));
  }
  const std::string url = fmt::format("http://localhost{}", path);
  std::string reply;
  prepare(url, reply);
  CURL* curl = handle.get();
  HeaderList headers;
  if (body != nullptr) {
    // Without "Expect:" large bodies would cost a round trip.
    headers.reset(curl_slist_append(nullptr, "Content-Type: application/json"));
    curl_slist_append(headers.get(), "Expect:");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): the size is set above.
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data());
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  }
  std::array<char, CURL_ERROR_SIZE> details{};
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, details.data());
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (code != CURLE_OK) {
    return std::unexpected(failure(code, details.data()));
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 400) {
    return std::unexpected(client::error_of_reply(static_cast<int>(status), reply));
  }
  return Reply{static_cast<int>(status), std::move(reply)};
}

Result<Client> Client::connect(const std::optional<std::filesystem::path>& socket) {
  using client::Trust;
  const auto env = client::process_environment();
  const bool named = socket.has_value() || env("LEVEE_SOCKET").has_value();
  auto found = client::find_daemon(
      socket ? std::vector{*socket} : client::socket_candidates(env, ::getuid()),
      named ? Trust::anybody : Trust::root_and_me, ::getuid());
  if (!found) {
    return std::unexpected(std::move(found.error()));
  }
  Handle handle{library_ready() ? curl_easy_init() : nullptr};
  if (handle == nullptr) {
    return fail(ErrorCode::internal, "libcurl could not be started");
  }
  auto impl = std::make_unique<Impl>();
  impl->socket = std::move(*found);
  impl->handle = std::move(handle);
  return Client{std::move(impl)};
}

Result<Client::Reply> Client::get(std::string_view path) {
  return impl_->perform("GET", path, nullptr);
}

Result<Client::Reply> Client::send(std::string_view method, std::string_view path,
                                   std::string_view json_body) {
  if (auto good = check_method(method); !good) {
    return std::unexpected(std::move(good.error()));
  }
  // libcurl takes a null pointer for "read the body from a callback".
  const std::string_view body = json_body.empty() ? std::string_view{""} : json_body;
  return impl_->perform(std::string{method}.c_str(), path, &body);
}

void Client::set_timeout(std::chrono::milliseconds timeout) {
  impl_->timeout = std::max(timeout, 1ms);  // 0 would mean "for ever".
}

const std::filesystem::path& Client::socket() const noexcept { return impl_->socket; }

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

}  // namespace levee
