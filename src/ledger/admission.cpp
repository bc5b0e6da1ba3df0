#include "ledger/admission.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ledger/refusal.hpp"

namespace levee::ledger {
namespace {

/// The demand of a lease within another, as far as it exceeds what that account is promised.
Demand beyond_account(const Book& book, Demand demand) {
  if (demand.within.empty()) {
    return demand;
  }
  const Lease* const account = book.find(demand.within);
  if (account == nullptr) {
    return demand;  // Only a file that somebody has edited holds such a lease.
  }
  Use inner;
  for (const auto& [id, lease] : book.leases()) {
    if (lease.is_granted() && lease.demand.within == demand.within) {
      add(inner, lease);
    }
  }
  Use outer;
  add(outer, *account);
  for (DeviceShare& share : demand.named) {
    share.bytes =
        share.bytes - (share_on(outer.devices, share.uuid) - share_on(inner.devices, share.uuid));
  }
  demand.host -= outer.host - inner.host;
  return demand;
}

void grant(Book& book, Lease lease, std::vector<DeviceShare> shares, Now now) {
  lease.state = LeaseState::granted;
  lease.shares = lease.demand.within.empty() ? std::move(shares) : lease.demand.named;
  lease.granted = now.wall;
  lease.give_up_at.reset();
  if (lease.ttl) {
    lease.expires_at = now.mono + *lease.ttl;
  }
  book.put(std::move(lease));
}

Lease lease_of(const Request& request, const Requester& requester, Now now) {
  Lease lease;
  lease.id = request.id;
  lease.name = request.name;
  lease.demand = request.demand;
  lease.owner = request.owner;
  lease.uid = requester.uid;
  lease.prediction = request.prediction;
  lease.asked = now.wall;
  lease.ttl = request.ttl;
  lease.give_up_at = now.mono + request.wait.value_or(std::chrono::seconds{0});
  return lease;
}

/// What is left for `id` when everybody before it in line has set aside what he waits for.
Balance left_for(const Book& book, const Scene& scene, std::string_view id) {
  Balance left = balance(book, scene.supply, scene.rules);
  for (const Lease* waiting : book.queue()) {
    if (waiting->id == id) {
      break;
    }
    set_aside(beyond_account(book, waiting->demand), left);
  }
  return left;
}

/// The lease called `id`, if `requester` may do something to it.
Result<const Lease*> find_own(const Book& book, std::string_view id, const Requester& requester) {
  const Lease* const found = book.find(id);
  if (found == nullptr) {
    return fail(ErrorCode::not_found, fmt::format("there is no lease \"{}\"", shown(id)),
                "`levee lease list` shows all of them");
  }
  if (!requester.is_administrator && found->uid != requester.uid) {
    return fail(ErrorCode::permission_denied,
                fmt::format("lease \"{}\" belongs to user {}", shown(id), found->uid),
                "only its user and the daemon's may change or end it");
  }
  return found;
}

Answer refused(Denial denial) {
  return {.outcome = Outcome::denied, .lease = {}, .place = 0, .denial = std::move(denial)};
}

}  // namespace

std::string_view to_string(Happening::Kind kind) noexcept {
  switch (kind) {
    case Happening::Kind::granted:
      return "granted";
    case Happening::Kind::released:
      return "released";
    case Happening::Kind::owner_ended:
      return "owner_ended";
    case Happening::Kind::expired:
      return "expired";
    case Happening::Kind::gave_up:
      return "gave_up";
  }
  return "released";
}

Answer ask(Book& book, const Scene& scene, const Request& request, const Requester& requester) {
  if (auto objection = object(book, scene, request, requester)) {
    return refused(std::move(*objection));
  }
  // It joins the line, and leaves it at once when it is served.
  book.add(lease_of(request, requester, scene.now));
  const Balance left = left_for(book, scene, request.id);
  const Demand beyond = beyond_account(book, request.demand);
  if (auto shares = place(beyond, left)) {
    grant(book, *book.find(request.id), std::move(*shares), scene.now);
    return {.outcome = Outcome::granted, .lease = *book.find(request.id), .place = 0, .denial = {}};
  }
  if (request.wait && is_possible(request.demand, left)) {
    return {.outcome = Outcome::waiting,
            .lease = *book.find(request.id),
            .place = place_in_line(book, request.id),
            .denial = {}};
  }
  book.erase(request.id);
  return refused(explain(book, scene, beyond, left));
}

Result<std::vector<Lease>> release(Book& book, std::string_view id, const Requester& requester) {
  const auto found = find_own(book, id, requester);
  if (!found) {
    return std::unexpected(found.error());
  }
  std::vector<Lease> over{**found};
  for (const auto& [other, each] : book.leases()) {
    if (each.demand.within == id) {
      over.push_back(each);
    }
  }
  std::ranges::for_each(over, [&](const Lease& each) { book.erase(each.id); });
  return over;
}

Answer resize(Book& book, const Scene& scene, std::string_view id, Bytes each,
              const Requester& requester) {
  const auto found = find_own(book, id, requester);
  if (!found) {
    return refused({found.error(), {}, {}});
  }
  Lease lease = **found;
  if (!lease.is_granted() || lease.shares.empty()) {
    return refused(
        {{ErrorCode::invalid_argument, fmt::format("lease \"{}\" has no GPU memory yet", shown(id)),
          "only what is granted can be resized"},
         {},
         {}});
  }
  // What it has already stays its own: only the rest has to be found.
  Demand more = lease.demand;
  more.host = {};
  more.any_devices = 0;
  more.named.clear();
  for (DeviceShare& share : lease.shares) {
    if (each > share.bytes) {
      more.named.push_back({share.uuid, each - share.bytes});
    }
    share.bytes = each;
  }
  if (each.count == 0 || !more.named.empty()) {
    if (auto objection = object_to_more(book, scene, more, requester)) {
      return refused(std::move(*objection));
    }
    const Balance left = left_for(book, scene, {});
    const Demand beyond = beyond_account(book, more);
    if (!place(beyond, left)) {
      return refused(explain(book, scene, beyond, left));
    }
  }
  lease.demand.named = lease.shares;
  lease.demand.any_devices = 0;
  book.put(lease);
  return {.outcome = Outcome::granted, .lease = std::move(lease), .place = 0, .denial = {}};
}

std::vector<Happening> expire(Book& book, Now now,
                              const std::function<bool(const ProcessId&)>& is_alive) {
  std::vector<Happening> due;
  for (const auto& [id, lease] : book.leases()) {
    const bool waits = !lease.is_granted();
    if (!is_alive(lease.owner)) {
      due.push_back({Happening::Kind::owner_ended, lease});
    } else if (waits && lease.give_up_at && now.mono >= *lease.give_up_at) {
      due.push_back({Happening::Kind::gave_up, lease});
    } else if (!waits && lease.expires_at && now.mono >= *lease.expires_at) {
      due.push_back({Happening::Kind::expired, lease});
    }
  }
  std::vector<Happening> happened;
  for (const Happening& each : due) {
    auto over = release(book, each.lease.id, {.uid = 0, .is_administrator = true});
    if (!over) {
      continue;  // It was within one that has just ended.
    }
    for (Lease& lease : *over) {
      happened.push_back({each.kind, std::move(lease)});
    }
  }
  return happened;
}

std::vector<Happening> serve(Book& book, const Scene& scene) {
  std::vector<Happening> happened;
  const std::vector<const Lease*> line = book.queue();
  if (line.empty()) {
    return happened;
  }
  Balance left = balance(book, scene.supply, scene.rules);
  for (const Lease* waiting : line) {
    const std::string id = waiting->id;
    const Demand beyond = beyond_account(book, waiting->demand);
    if (auto shares = place(beyond, left)) {
      take(beyond, *shares, left);
      grant(book, *waiting, std::move(*shares), scene.now);
      happened.push_back({Happening::Kind::granted, *book.find(id)});
    } else {
      set_aside(beyond, left);
    }
  }
  return happened;
}

std::size_t place_in_line(const Book& book, std::string_view id) {
  const auto line = book.queue();
  const auto found = std::ranges::find(line, id, [](const Lease* each) { return each->id; });
  return found == line.end() ? 0 : static_cast<std::size_t>(found - line.begin()) + 1;
}

}  // namespace levee::ledger
