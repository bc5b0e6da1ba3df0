// LedgerPort: what the Api may ask of the ledger, and what the ledger shows of itself.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/process_id.hpp"
#include "ledger/admission.hpp"
#include "ledger/balance.hpp"
#include "levee/result.hpp"

namespace levee::api {

/// A lease, and what its account really uses.
struct LeaseReport {
  ledger::Lease lease;
  std::size_t place = 0;  ///< In line, the first is 1; 0 when it does not wait.
  std::string user;       ///< Login name, or the number as text.
  ledger::Use used;       ///< At the last sample; empty for a lease within another.
  ledger::Use peak;       ///< The most at any sample since it was granted.
};

/// What may still be promised of a device.
struct DeviceLine {
  std::string uuid;
  int index = 0;
  std::string name;
  Bytes capacity;
  Bytes promised;
  Bytes committed;
  Bytes unaccounted;
  Bytes outstanding;  ///< Promised, and not used yet.
  Bytes available;
  Bytes limit;
  Bytes limited;        ///< As `available`, for bookings under `memory_limit`.
  std::string why_not;  ///< Why nothing can be promised; empty: it can.
};

/// The ledger at one moment. Immutable once published.
struct LedgerView {
  std::vector<LeaseReport> leases;  ///< Granted by id, then who waits, in order.
  std::vector<DeviceLine> devices;
  Bytes host_capacity;
  Bytes host_available;
  Bytes host_outstanding;
  bool durable = false;  ///< False: promises are kept in memory only.
  std::string trouble;   ///< What is or was wrong with its file, for people; may be empty.
  /// How jobs went of which something was said before, the oldest first. Never null.
  std::shared_ptr<const std::vector<JobRecord>> record =
      std::make_shared<const std::vector<JobRecord>>();
};

/// How a lease stands, for one who waits for it.
struct LeaseStanding {
  std::optional<LeaseReport> report;  ///< Absent: it is over.
  std::string why_over;               ///< "gave_up", "owner_ended", …; empty when unknown.
};

/// All of them answer exactly once, from any thread, and never block. As it is made, it is the port
/// to a ledger that is not there.
struct LedgerPort {
  template <class T>
  using Answer = std::function<void(Result<T>)>;
  template <class T>
  static void refuse(const Answer<T>& answer) {
    answer(fail(ErrorCode::unavailable, "there is no ledger here", "start one with `levee serve`"));
  }

  std::function<void(ledger::Request, ledger::Requester, Answer<ledger::Answer>)> ask =
      [](const auto&, const auto&, const Answer<ledger::Answer>& answer) { refuse(answer); };
  std::function<void(std::string id, ledger::Requester, Answer<LeaseReport>)> release =
      [](const auto&, const auto&, const Answer<LeaseReport>& answer) { refuse(answer); };
  /// So much on every GPU of a lease from now on.
  std::function<void(std::string id, Bytes each, ledger::Requester, Answer<ledger::Answer>)>
      resize = [](const auto&, Bytes, const auto&, const Answer<ledger::Answer>& answer) {
        refuse(answer);
      };
  /// Answers when the request is granted or over, or with how it stands after `patience`.
  std::function<void(std::string id, std::chrono::seconds patience, Answer<LeaseStanding>)> watch =
      [](const auto&, const auto&, const Answer<LeaseStanding>& answer) { refuse(answer); };
  /// The ledger as it is after everything that was asked before.
  std::function<void(Answer<std::shared_ptr<const LedgerView>>)> show =
      [](const Answer<std::shared_ptr<const LedgerView>>& answer) { refuse(answer); };
  /// Forgets how jobs went.
  std::function<void(Answer<void>)> forget = [](const Answer<void>& answer) { refuse(answer); };
  /// Who a pid is; nothing when there is no such process.
  struct Owner {
    ProcessId id;
    uid_t uid = 0;
  };
  std::function<std::optional<Owner>(pid_t pid)> find_process = [](pid_t) -> std::optional<Owner> {
    return std::nullopt;
  };
  std::function<BootId()> boot = [] { return BootId{}; };
};

/// What may still be promised of each device, as `balance` has it.
[[nodiscard]] std::vector<DeviceLine> device_lines(const ledger::Balance& balance);

}  // namespace levee::api
