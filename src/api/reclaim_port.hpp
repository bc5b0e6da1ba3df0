// ReclaimPort: what the Api, and whoever acts when memory gets short, may ask of the processes that
// can give memory back.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "api/dialogue.hpp"
#include "levee/result.hpp"
#include "reclaim/roster.hpp"

namespace levee::api {

/// Thread-safe, and never block. As it is made, it is the port to nobody.
struct ReclaimPort {
  static std::unexpected<Error> nobody() {
    return fail(ErrorCode::unavailable, "nobody can be asked for memory here",
                "start a daemon with `levee serve`");
  }

  /// The dialogue with a process that connected; why it is turned away.
  std::function<Result<std::shared_ptr<Dialogue>>(pid_t pid, uid_t uid, bool is_administrator)>
      converse = [](pid_t, uid_t, bool) -> Result<std::shared_ptr<Dialogue>> { return nobody(); };

  /// Who can be asked now; null where there is no daemon.
  std::function<std::shared_ptr<const reclaim::Roster>()> roster = [] {
    return std::shared_ptr<const reclaim::Roster>();
  };

  /// Asks one of them; answers exactly once, on the engine thread, when the process has answered
  /// and that was measured, or did not answer in time, or is gone. An error: it was not asked.
  ///   not_found         there is no such client
  ///   invalid_argument  it offers nothing of the kind
  ///   already_exists    it still owes an answer
  ///   unavailable       it is passed over for a while; or the daemon stops
  using Answer = std::function<void(Result<reclaim::Asked>)>;
  std::function<void(std::string client, reclaim::Ask, Answer)> ask =
      [](const auto&, const auto&, const Answer& answer) { answer(nobody()); };
};

}  // namespace levee::api
