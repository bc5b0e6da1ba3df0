// Alert rules: which threshold a snapshot is beyond, per type and device (contract G3). Pure;
// thread-safe.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/alert.hpp"
#include "core/snapshot.hpp"
#include "policy/gpu.hpp"
#include "policy/thresholds.hpp"

namespace levee::policy {

/// The worst threshold that was crossed.
struct Crossing {
  Severity severity{};
  double value = 0;
  double threshold = 0;
  std::string message;
};

/// How one alert type stands for one device at this instant.
struct Judgement {
  AlertType type{};
  const GpuReading* gpu = nullptr;  ///< In the snapshot; null: the host.
  bool known = false;               ///< False: missing or stale readings; nothing may change.
  std::optional<Crossing> crossing;
};

/// Every rule on every device. `gpus` belongs to the GPUs of `snapshot`, in their order.
[[nodiscard]] std::vector<Judgement> judge(const Snapshot& snapshot,
                                           std::span<const GpuJudgement> gpus,
                                           const Thresholds& thresholds);

/// What the reader of an alert can do.
[[nodiscard]] std::vector<std::string> recommendations(const Judgement& judgement,
                                                       const std::optional<Culprit>& culprit);

}  // namespace levee::policy
