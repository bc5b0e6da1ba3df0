// Lease: a promise of memory, or a request for one that waits in line. Plain values.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/gpu.hpp"
#include "core/prediction.hpp"
#include "core/process_id.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee::ledger {

/// What a lease stands for (contract G6).
enum class LeaseKind { booking, balloon, model, worker };

/// Which of the devices that fit is taken.
enum class Placement {
  best_fit,  ///< The one with the least left over: large gaps stay for large requests.
  spread,    ///< The one with the most available.
  pack,      ///< One that is in use already, so that others stay empty.
};

[[nodiscard]] std::string_view to_string(LeaseKind kind) noexcept;
[[nodiscard]] std::string_view to_string(Placement placement) noexcept;
[[nodiscard]] std::optional<LeaseKind> parse_lease_kind(std::string_view text) noexcept;
[[nodiscard]] std::optional<Placement> parse_placement(std::string_view text) noexcept;

struct DeviceShare {
  std::string uuid;
  Bytes bytes;

  bool operator==(const DeviceShare&) const = default;
};

/// What is asked for: memory of devices that are named, or of any that fit, and of the host.
struct Demand {
  LeaseKind kind = LeaseKind::booking;

  std::vector<DeviceShare> named;  ///< These devices and no others.
  std::size_t any_devices = 0;     ///< Or so many that fit, none of them named,
  Bytes bytes_each;                ///< with so much on each,
  Placement placement = Placement::best_fit;
  std::optional<ComputeCapability> least_capability;  ///< and at least this.
  Bytes host;

  int priority = 0;  ///< Higher goes first.
  bool yieldable = false;
  /// Whether `memory_limit` bounds it (bookings of the documented GPU manager, F-17).
  bool obeys_limit = false;
  /// The lease whose account this one belongs to. It adds no promise to what that one has; empty:
  /// it is an account of its own.
  std::string within;
  /// A balloon gives way to the processes of its account by steps of this size, as they grow;
  /// absent: it stays as it is.
  std::optional<Bytes> step;

  /// A balloon that belongs to no other lease: nobody uses what it holds.
  [[nodiscard]] bool is_free_balloon() const noexcept {
    return kind == LeaseKind::balloon && within.empty();
  }

  bool operator==(const Demand&) const = default;
};

enum class LeaseState { waiting, granted };

[[nodiscard]] std::string_view to_string(LeaseState state) noexcept;

struct Lease {
  std::string id;    ///< Unique among all leases; names the account.
  std::string name;  ///< For people: "train.py". May be empty.
  Demand demand;
  LeaseState state = LeaseState::waiting;
  std::vector<DeviceShare> shares;  ///< What is promised; empty while it waits.

  /// Of a balloon that follows its account's processes: what they used before, where that is known.
  std::vector<DeviceShare> used_before;

  /// It dies with this process. pid 0: with nobody, but with the boot.
  ProcessId owner;
  uid_t uid = 0;
  std::optional<Prediction> prediction;  ///< What was said of the job; kept beside how it went.
  std::uint64_t ticket = 0;              ///< Order of arrival.
  WallTime asked;
  std::optional<WallTime> granted;
  std::optional<MonoTime> give_up_at;       ///< While it waits.
  std::optional<std::chrono::seconds> ttl;  ///< It ends so long after it was granted.
  std::optional<MonoTime> expires_at;       ///< Once it is granted.

  [[nodiscard]] bool is_granted() const noexcept { return state == LeaseState::granted; }
  /// The lease id under which its use is counted.
  [[nodiscard]] const std::string& account() const noexcept {
    return demand.within.empty() ? id : demand.within;
  }

  bool operator==(const Lease&) const = default;
};

}  // namespace levee::ledger
