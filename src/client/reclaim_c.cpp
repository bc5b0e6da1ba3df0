// The C interface: every call is checked, and nothing is thrown across.
#include "levee/reclaim.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "levee/reclaim.hpp"

namespace {

using levee::Bytes;
using levee::Error;
using levee::ErrorCode;
using levee::ReclaimAnswer;
using levee::ReclaimRequest;
using levee::ReclaimStrategy;

static_assert(LEVEE_CLEAR_CACHE == static_cast<int>(ReclaimStrategy::clear_cache));
static_assert(LEVEE_YIELD_BALLOON == static_cast<int>(ReclaimStrategy::yield_balloon));
static_assert(LEVEE_REDUCE_BATCH == static_cast<int>(ReclaimStrategy::reduce_batch));
static_assert(LEVEE_OFFLOAD == static_cast<int>(ReclaimStrategy::offload));

std::string& last_error() {
  thread_local std::string text;
  return text;
}

int complain(const Error& error) {
  last_error() = error.hint.empty() ? error.message : error.message + "; " + error.hint;
  switch (error.code) {
    case ErrorCode::invalid_argument:
      return LEVEE_INVALID;
    case ErrorCode::not_found:
      return LEVEE_NOT_FOUND;
    case ErrorCode::already_exists:
      return LEVEE_BUSY;
    default:
      return LEVEE_FAILED;
  }
}

int complain(const char* message) {
  return complain(Error{ErrorCode::invalid_argument, message, {}});
}

/// Runs `work`, which returns a status; whatever it throws becomes LEVEE_FAILED.
template <class Work>
int guarded(const Work& work) noexcept {
  try {
    return work();
  } catch (const std::exception& exception) {
    try {
      return complain(Error{ErrorCode::internal, exception.what(), {}});
    } catch (...) {
      return LEVEE_FAILED;
    }
  } catch (...) {
    return LEVEE_FAILED;
  }
}

std::optional<ReclaimStrategy> strategy_of(int strategy) {
  return strategy >= LEVEE_CLEAR_CACHE && strategy <= LEVEE_OFFLOAD
             ? std::optional(static_cast<ReclaimStrategy>(strategy))
             : std::nullopt;
}

std::optional<Bytes> bytes_of(uint64_t bytes) {
  return bytes == LEVEE_UNKNOWN ? std::nullopt : std::optional(Bytes{bytes});
}

std::string device_of(const char* device) {
  return device != nullptr ? device : std::string(levee::kReclaimHost);
}

ReclaimAnswer answer_of(const levee_reclaim_answer& answer) {
  const auto* const end = std::find(std::begin(answer.message), std::end(answer.message), '\0');
  std::string message(std::begin(answer.message), end);
  switch (answer.result) {
    case LEVEE_DONE:
      return ReclaimAnswer::freed(Bytes{answer.freed_bytes}, std::move(message));
    case LEVEE_REFUSED:
      return ReclaimAnswer::refused(std::move(message));
    default:
      return ReclaimAnswer::failed(std::move(message));
  }
}

int settled(const levee::ReclaimStatus& status) {
  if (status.is_registered) {
    return LEVEE_OK;
  }
  if (status.trouble) {
    complain(*status.trouble);
  } else {
    last_error() = "not registered yet";
  }
  return LEVEE_WAITING;
}

}  // namespace

struct levee_reclaim {
  levee::ReclaimClient client;
};

int levee_reclaim_api_version(void) { return LEVEE_RECLAIM_API_VERSION; }

levee_reclaim* levee_reclaim_new(const char* name, int priority) {
  levee_reclaim* made = nullptr;
  guarded([&] {
    made = new levee_reclaim{
        levee::ReclaimClient({.name = name != nullptr ? name : "", .priority = priority})};
    return LEVEE_OK;
  });
  return made;
}

void levee_reclaim_free(levee_reclaim* client) {
  guarded([&] {
    delete client;
    return LEVEE_OK;
  });
}

int levee_reclaim_on(levee_reclaim* client, int strategy, const char* device,
                     levee_reclaim_callback callback, void* user_data, uint64_t estimate_bytes) {
  return guarded([&]() -> int {
    const auto known = strategy_of(strategy);
    if (client == nullptr || callback == nullptr || !known) {
      return complain(client == nullptr     ? "the client is NULL"
                      : callback == nullptr ? "the callback is NULL"
                                            : "there is no such strategy");
    }
    const auto done = client->client.on(
        *known, device_of(device),
        [callback, user_data](const ReclaimRequest& request) {
          const std::chrono::duration<double> left =
              request.deadline - std::chrono::steady_clock::now();
          const levee_reclaim_request asked{.id = request.id,
                                            .strategy = static_cast<int>(request.strategy),
                                            .device = request.device.c_str(),
                                            .bytes = request.bytes.count,
                                            .seconds = std::max(left.count(), 0.0),
                                            .reason = request.reason.c_str()};
          levee_reclaim_answer answer{};
          callback(&asked, &answer, user_data);
          return answer_of(answer);
        },
        bytes_of(estimate_bytes));
    return done ? LEVEE_OK : complain(done.error());
  });
}

int levee_reclaim_off(levee_reclaim* client, int strategy, const char* device) {
  return guarded([&]() -> int {
    const auto known = strategy_of(strategy);
    if (client == nullptr || !known) {
      return complain(client == nullptr ? "the client is NULL" : "there is no such strategy");
    }
    client->client.off(*known, device_of(device));
    return LEVEE_OK;
  });
}

int levee_reclaim_estimate(levee_reclaim* client, int strategy, const char* device,
                           uint64_t estimate_bytes) {
  return guarded([&]() -> int {
    const auto known = strategy_of(strategy);
    if (client == nullptr || !known) {
      return complain(client == nullptr ? "the client is NULL" : "there is no such strategy");
    }
    const auto done = client->client.estimate(*known, device_of(device), bytes_of(estimate_bytes));
    return done ? LEVEE_OK : complain(done.error());
  });
}

int levee_reclaim_start(levee_reclaim* client, const char* socket_path) {
  return guarded([&]() -> int {
    if (client == nullptr) {
      return complain("the client is NULL");
    }
    const auto status = client->client.start(
        socket_path != nullptr ? std::optional<std::filesystem::path>(socket_path) : std::nullopt);
    return status ? settled(*status) : complain(status.error());
  });
}

int levee_reclaim_state(levee_reclaim* client) {
  return guarded([&]() -> int {
    return client != nullptr ? settled(client->client.status()) : complain("the client is NULL");
  });
}

const char* levee_reclaim_last_error(void) { return last_error().c_str(); }
