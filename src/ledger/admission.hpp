// Admission: who is promised memory, who waits, who is refused (contract G6). Pure: a Book and what
// the machine has go in, a changed Book and what happened come out.
//
// The queue is first come, first served within a priority. A request that does not fit sets aside
// what it waits for, on the devices that come nearest; nobody behind it gets that. So a stream of
// small requests fills other devices, and cannot keep a large one waiting for ever.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/process_id.hpp"
#include "core/time.hpp"
#include "ledger/book.hpp"
#include "ledger/placement.hpp"
#include "ledger/supply.hpp"
#include "levee/result.hpp"

namespace levee::ledger {

/// Who asks.
struct Requester {
  uid_t uid = 0;
  bool is_administrator = false;
};

struct Request {
  std::string id;
  std::string name;
  Demand demand;
  ProcessId owner;                           ///< `boot` is always set; pid 0: nobody.
  std::optional<std::chrono::seconds> ttl;   ///< It ends so long after it is granted.
  std::optional<std::chrono::seconds> wait;  ///< So long in line; absent: now or never.
  std::optional<Prediction> prediction;
};

/// Who holds something of what a refused request wanted.
struct Holder {
  std::string id;  ///< Of the lease; empty: processes of no account.
  std::string name;
  uid_t uid = 0;
  std::string resource;  ///< "host", or a device's UUID.
  Bytes bytes;
};

/// Why a request was refused, for people and for programs.
struct Denial {
  Error error;
  std::vector<Shortfall> shortfalls;
  std::vector<Holder> holders;  ///< Of the resources that fall short; the largest first.
};

enum class Outcome { granted, waiting, denied };

struct Answer {
  Outcome outcome = Outcome::denied;
  Lease lease;            ///< Where it is not denied.
  std::size_t place = 0;  ///< In line, the first is 1; 0 when it does not wait.
  Denial denial;          ///< Where it is.
};

/// Something that happened to a lease.
struct Happening {
  enum class Kind { granted, released, owner_ended, expired, gave_up };
  Kind kind = Kind::granted;
  Lease lease;  ///< As it was then.
};

[[nodiscard]] std::string_view to_string(Happening::Kind kind) noexcept;

/// What the functions below look at. All of it must outlive them.
struct Scene {
  const Supply& supply;
  const Rules& rules;
  Now now;
};

/// Grants, queues or refuses. Nothing in the book has changed after a refusal.
[[nodiscard]] Answer ask(Book& book, const Scene& scene, const Request& request,
                         const Requester& requester);

/// Ends a lease or takes a request out of the line, with all that is within it: returns it, then
/// those. not_found, permission_denied for another user's.
[[nodiscard]] Result<std::vector<Lease>> release(Book& book, std::string_view id,
                                                 const Requester& requester);

/// Promises `each` on every device of a granted lease from now on; more only where it fits, and
/// nothing has changed after a refusal.
[[nodiscard]] Answer resize(Book& book, const Scene& scene, std::string_view id, Bytes each,
                            const Requester& requester);

/// Ends what is over: leases of processes that have ended, leases past their time, requests past
/// their deadline.
[[nodiscard]] std::vector<Happening> expire(Book& book, Now now,
                                            const std::function<bool(const ProcessId&)>& is_alive);

/// Grants what fits now, in order.
[[nodiscard]] std::vector<Happening> serve(Book& book, const Scene& scene);

/// Place in line of a request that waits, the first is 1; 0 for others.
[[nodiscard]] std::size_t place_in_line(const Book& book, std::string_view id);

}  // namespace levee::ledger
