// Self-protection: what the daemon does so that it is not the one that dies when memory is short.
#pragma once

#include <optional>
#include <string>

namespace levee::actions {

/// One protection: in force, or why not and what to do.
struct Protection {
  bool in_force = false;
  std::string detail;  ///< "locked on fault" or the reason of the refusal.
  std::string hint;    ///< What would allow it; empty when in force.
};

struct ProtectionReport {
  Protection memory_lock;
  Protection oom_score;
};

/// Locks this process's memory on fault (MCL_ONFAULT, so that RSS stays small) and lowers its
/// oom_score_adj. Nothing fails: what is refused is reported. Call once, before threads start.
[[nodiscard]] ProtectionReport protect_self(bool lock_memory, int oom_score_adj);

/// What protect_self would be allowed to do, without doing it (for `levee doctor`).
[[nodiscard]] ProtectionReport probe_protection();

}  // namespace levee::actions
