// IncidentPort: what the Api may ask of the flight recorder.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "levee/result.hpp"

namespace levee::api {

/// Somebody asks for the last minutes to be saved.
struct IncidentAsk {
  std::optional<uid_t> uid;  ///< Who asks.
  std::string note;          ///< May be empty.
  /// Set: a job of `levee run` was ended so.
  struct KilledJob {
    std::string lease;
    std::string command;
    std::optional<pid_t> pid;
    std::optional<int> signal;  ///< Else it ended with code 137, as a killed container does.
  };
  std::optional<KilledJob> job;
};

/// All of them answer exactly once, from any thread, with JSON, and never block. As it is made, it
/// is the port to a recorder that is not there.
struct IncidentPort {
  using Answer = std::function<void(Result<std::string>)>;
  static void refuse(const Answer& answer) {
    answer(fail(ErrorCode::unavailable, "there is no flight recorder here",
                "start a daemon with `levee serve`"));
  }

  std::function<void(Answer)> list = [](const Answer& answer) { refuse(answer); };
  std::function<void(std::string id, Answer)> show = [](const auto&, const Answer& answer) {
    refuse(answer);
  };
  std::function<void(std::string id, Answer)> remove = [](const auto&, const Answer& answer) {
    refuse(answer);
  };
  /// Answers with its id when it is saved; at once where nothing is.
  std::function<void(IncidentAsk, Answer)> record = [](const auto&, const Answer& answer) {
    refuse(answer);
  };
};

}  // namespace levee::api
