// BalloonPort: what the Api may ask of those who hold memory for the ledger's balloons.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "levee/amount.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::api {

enum class HoldingState {
  starting,  ///< Its process is being started.
  growing,   ///< Memory is being taken.
  held,      ///< As much is held as there is to hold.
  failed,    ///< It could not be taken; it is tried again.
  passed,    ///< Its owner has all that was promised: nothing is held any more.
};

[[nodiscard]] std::string_view to_string(HoldingState state) noexcept;

/// What is held of one GPU for one balloon.
struct Holding {
  std::string lease;
  std::string account;  ///< The lease under which its use counts.
  std::string uuid;
  HoldingState state = HoldingState::starting;
  Bytes promised;            ///< The lease's share.
  Bytes passed_on;           ///< To its owner: of that, no more is held.
  Bytes lost;                ///< Of what was passed on, so much did others take.
  Bytes held;                ///< By the driver, rounded up to its blocks, and the context.
  std::size_t chunks = 0;    ///< Allocations of the driver.
  std::optional<pid_t> pid;  ///< Of the process that holds it.
  std::string trouble;       ///< Why it failed, or did lately; may be empty.
};

/// Thread-safe, and never block. As it is made, it is the port to nobody.
struct BalloonPort {
  /// By lease, then by UUID.
  std::function<std::vector<Holding>()> holdings = [] { return std::vector<Holding>(); };
  /// Passes `amount` more of each GPU on to the owner, a share being one of what is promised there;
  /// answers once it is free, with how much was passed on by this call, or why not.
  using Answer = std::function<void(Result<Bytes>)>;
  std::function<void(std::string lease, Amount amount, Answer)> pass_on =
      [](const auto&, const Amount&, const Answer& answer) {
        answer(fail(ErrorCode::unavailable, "nobody holds balloons here",
                    "start a daemon with `levee serve`"));
      };
};

}  // namespace levee::api
