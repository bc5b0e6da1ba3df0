// Roster: who can give memory back, and what came of asking them. Plain values; immutable once
// published.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/process_id.hpp"
#include "core/time.hpp"
#include "levee/bytes.hpp"
#include "levee/reclaim_strategy.hpp"
#include "reclaim/record.hpp"

namespace levee::reclaim {

/// Something a process can do to give memory back.
struct Offer {
  ReclaimStrategy strategy = ReclaimStrategy::clear_cache;
  std::string device;             ///< A GPU's UUID, or "host".
  std::optional<Bytes> estimate;  ///< How much it thinks that would bring now.

  bool operator==(const Offer&) const = default;
};

/// Who is connected: from the kernel, not from what it says.
struct Caller {
  ProcessId process;
  uid_t uid = 0;
  std::string user;  ///< Login name, or the number as text.
  bool is_administrator = false;
};

/// A process that can be asked.
struct Client {
  std::string id;  ///< "r7"; never used twice by a daemon.
  Caller caller;
  std::string name;  ///< As it calls itself.
  int priority = 0;  ///< The lowest is asked first.
  std::vector<Offer> offers;
  std::string account;  ///< The lease it belongs to; empty: none, or not known yet.
  WallTime since;
  Record record;
  bool busy = false;  ///< It still owes an answer; perhaps one that nobody waits for any more.

  /// Whether it may be asked now.
  [[nodiscard]] bool is_ready(MonoTime now) const { return !busy && !record.is_passed_over(now); }
  [[nodiscard]] const Offer* offer(ReclaimStrategy strategy, std::string_view device) const;
};

/// What all requests since the start came to.
struct Totals {
  std::uint64_t done = 0;
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t gone = 0;
  std::uint64_t lied = 0;  ///< Of those done.
  Bytes freed;             ///< As measured.
};

struct Roster {
  std::vector<Client> clients;  ///< The lowest priority first, then as they came.
  Totals totals;
  std::uint64_t turned_away = 0;  ///< By a quota, or because they broke the protocol.

  [[nodiscard]] const Client* find(std::string_view id) const;
};

/// What a process is asked for.
struct Ask {
  ReclaimStrategy strategy = ReclaimStrategy::clear_cache;
  std::string device;
  Bytes bytes;
  std::chrono::milliseconds deadline{5000};
  std::string reason;
  /// Also when it is passed over for a while; a person may want to know.
  bool despite_record = false;
};

inline constexpr std::chrono::milliseconds kShortestDeadline{10};
inline constexpr std::chrono::minutes kLongestDeadline{10};

/// What is measured of a process, and of the memory that it was asked for.
struct Weight {
  std::optional<Bytes> process;  ///< Of that device's or the host's memory; absent: not known.
  std::optional<Bytes> used;     ///< Of the device or the host, by everybody.
  MonoTime read_at;
  std::optional<double> growth_per_second;  ///< Of what the process uses, bytes per second.
};

/// What came of asking.
struct Asked {
  std::uint64_t number = 0;
  Client client;  ///< As it was when asked.
  Ask ask;
  Outcome outcome = Outcome::gone;
  Bytes said;           ///< `done` only.
  std::string message;  ///< From the process; may be empty.
  std::chrono::milliseconds took{0};
  std::optional<Weight> before;
  std::optional<Weight> after;
  Verdict verdict = Verdict::unclear;
  std::optional<MonoTime> passed_over_until;  ///< Because of this.

  /// By how much the use of the process fell; negative: it rose.
  [[nodiscard]] std::optional<std::int64_t> measured() const;
};

}  // namespace levee::reclaim
