// What recovery sees of a device: how pressed it is, and what could be done about it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/view.hpp"
#include "control/ladder.hpp"
#include "core/time.hpp"

namespace levee::engine {

/// An allocation that failed: so much is wanted free on a device.
struct Shortage {
  std::string device;  ///< A GPU's UUID, or "host".
  Bytes bytes;
  MonoTime until;                          ///< Forgotten then.
  Severity severity = Severity::critical;  ///< How far others go for it.
};

/// A device that recovery looks after: the host, and every whole GPU or MIG instance that can be
/// judged and has memory of its own.
struct PressedDevice {
  std::string name;   ///< A GPU's UUID, or "host".
  std::string label;  ///< "GPU 0 (Sim A100)", "host memory".
  control::LadderLook look;
};

[[nodiscard]] std::vector<PressedDevice> pressed_devices(const api::View& view,
                                                         const std::vector<Shortage>& shortages,
                                                         MonoTime now);

/// What a remedy's target names.
enum class TargetKind { everybody, client, balloon };

struct Target {
  TargetKind kind = TargetKind::everybody;
  std::string id;  ///< Of the client, or the lease.
};

[[nodiscard]] std::string to_text(const Target& target);
[[nodiscard]] Target parse_target(std::string_view text);

}  // namespace levee::engine
