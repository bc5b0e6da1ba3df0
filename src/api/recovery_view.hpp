// RecoveryView: what is done about memory that runs out, as a reader sees it. Plain values.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "control/ladder.hpp"
#include "core/time.hpp"
#include "levee/level.hpp"

namespace levee::api {

struct RecoveryDevice {
  std::string name;   ///< A GPU's UUID, or "host".
  std::string label;  ///< "GPU 0 (Sim A100)", "host memory".
  std::optional<Severity> pressure;
  Bytes used;  ///< Of a GPU without balloons.
  Bytes line;  ///< Above it there is pressure.
  std::optional<control::LadderStep> under_way;
  std::vector<control::Remedy> remedies;  ///< What could be done, in order.
  std::vector<control::Remedy> paused;
};

/// A step that is over.
struct RecoveryStep {
  WallTime at;
  std::string device;
  std::string label;  ///< Of the device.
  std::string who;    ///< Whom it was about, for people: "trainer (r7, alice, pid 5204)".
  control::StepReport report;
  bool dry_run = false;
};

struct RecoveryView {
  config::RecoveryMode mode = config::RecoveryMode::on;
  std::vector<RecoveryDevice> devices;
  std::vector<RecoveryStep> recent;  ///< The oldest first; the last 64.

  /// Whether work on the device called `name` should stand still.
  [[nodiscard]] bool is_paused(std::string_view name) const {
    return std::ranges::any_of(devices, [name](const RecoveryDevice& each) {
      return each.name == name && !each.paused.empty();
    });
  }
};

}  // namespace levee::api
