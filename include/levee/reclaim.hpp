// ReclaimClient: tells the daemon what memory this process can give back, and gives it back when
// the daemon asks. Other languages use levee/reclaim.h.
//
//   levee::ReclaimClient client({.name = "trainer"});
//   client.on(levee::ReclaimStrategy::clear_cache, "host",
//             [&](const levee::ReclaimRequest& request) {
//               return levee::ReclaimAnswer::freed(cache.drop(request.bytes));
//             });
//   client.start();
//
// It needs no daemon: without one it looks for one again and again in the background, and when the
// daemon restarts it says everything anew. Callbacks run one at a time on a thread of their own;
// what they say is compared with what the daemon measures, and who says more than that, or does not
// answer in time, is not asked for a while. docs/reclaim-protocol.md says how.
//
// Thread-safe, but for the constructor and the destructor. After fork() the child has no client:
// the copy it sees answers nothing, and may be destroyed.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "levee/bytes.hpp"
#include "levee/reclaim_strategy.hpp"
#include "levee/result.hpp"

namespace levee {

/// What the daemon asks for.
struct ReclaimRequest {
  std::uint64_t id = 0;
  ReclaimStrategy strategy = ReclaimStrategy::clear_cache;
  std::string device;                              ///< The UUID of a GPU, or "host".
  Bytes bytes;                                     ///< So much is wanted; less is welcome, too.
  std::chrono::steady_clock::time_point deadline;  ///< Later answers help nobody.
  std::string reason;                              ///< For people.
};

/// What came of it.
struct ReclaimAnswer {
  enum class Kind { done, refused, failed };

  Kind kind = Kind::done;
  Bytes bytes;          ///< What was freed, as seen from outside this process; `done` only.
  std::string message;  ///< For people; may be empty.

  [[nodiscard]] static ReclaimAnswer freed(Bytes bytes, std::string message = {}) {
    return {Kind::done, bytes, std::move(message)};
  }
  /// It could, but not now.
  [[nodiscard]] static ReclaimAnswer refused(std::string why) {
    return {Kind::refused, {}, std::move(why)};
  }
  [[nodiscard]] static ReclaimAnswer failed(std::string why) {
    return {Kind::failed, {}, std::move(why)};
  }
};

struct ReclaimOptions {
  std::string name = {};  ///< For people; empty: the name of the program. At most 64 bytes count.
  int priority = 0;       ///< −1000 … 1000: who has the lowest is asked first.
  /// How long the destructor waits for a callback that is running.
  std::chrono::milliseconds stop_patience{1000};
};

/// How it stands with the daemon.
struct ReclaimStatus {
  bool is_registered = false;
  std::string client;            ///< As the daemon calls it: "r7"; empty while not registered.
  std::optional<Error> trouble;  ///< Why not, or what went wrong last.
  std::uint64_t asked = 0;       ///< Requests so far.
  std::uint64_t answered = 0;
};

class ReclaimClient {
 public:
  /// Frees memory; what it throws becomes `failed`. It may call on(), estimate() and status(), and
  /// even destroy the client.
  using Callback = std::function<ReclaimAnswer(const ReclaimRequest&)>;

  explicit ReclaimClient(ReclaimOptions options = {});

  /// Says goodbye, and waits for a callback that is running, for `stop_patience` at most. One that
  /// runs longer is left to end by itself: its answer goes nowhere, and what it refers to must stay
  /// until then. From within a callback it does not wait.
  ~ReclaimClient();
  ReclaimClient(const ReclaimClient&) = delete;
  ReclaimClient& operator=(const ReclaimClient&) = delete;

  /// Offers something, or offers it anew; also while it runs. `device` is the UUID of a GPU or
  /// "host"; `estimate` is what it would probably bring. `invalid_argument` for anything else.
  Result<void> on(ReclaimStrategy strategy, std::string_view device, Callback callback,
                  std::optional<Bytes> estimate = std::nullopt);

  /// Takes an offer back. A callback that is running runs on.
  void off(ReclaimStrategy strategy, std::string_view device);

  /// Says how much an offer would bring now. `not_found` when there is no such offer.
  Result<void> estimate(ReclaimStrategy strategy, std::string_view device,
                        std::optional<Bytes> bytes);

  /// Connects to the daemon at `socket`, or the first one found as every Levee tool does, and stays
  /// in touch from then on. Returns as soon as it is registered, or the first attempt has failed,
  /// within a second or two: the status says which, and why. It goes on trying in either case.
  /// `already_exists` when it was started before; `resource_exhausted` when no thread is to be had.
  Result<ReclaimStatus> start(const std::optional<std::filesystem::path>& socket = std::nullopt);

  [[nodiscard]] ReclaimStatus status() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace levee
