#include "ledger/book.hpp"

#include <algorithm>
#include <utility>

namespace levee::ledger {

Book::Book(std::vector<Lease> leases) {
  for (Lease& lease : leases) {
    last_ticket_ = std::max(last_ticket_, lease.ticket);
    waiting_ += lease.is_granted() ? 0U : 1U;
    std::string id = lease.id;
    leases_.emplace(std::move(id), std::move(lease));
  }
}

const Lease* Book::find(std::string_view id) const {
  const auto found = leases_.find(id);
  return found == leases_.end() ? nullptr : &found->second;
}

std::vector<const Lease*> Book::queue() const {
  std::vector<const Lease*> line;
  if (waiting_ == 0) {
    return line;
  }
  for (const auto& [id, lease] : leases_) {
    if (!lease.is_granted()) {
      line.push_back(&lease);
    }
  }
  std::ranges::sort(line, [](const Lease* a, const Lease* b) {
    return std::pair(-a->demand.priority, a->ticket) < std::pair(-b->demand.priority, b->ticket);
  });
  return line;
}

void Book::add(Lease lease) {
  lease.ticket = ++last_ticket_;
  put(std::move(lease));
}

void Book::put(Lease lease) {
  note(lease.id);
  const auto [place, is_new] = leases_.try_emplace(lease.id);
  waiting_ -= !is_new && !place->second.is_granted() ? 1U : 0U;
  waiting_ += lease.is_granted() ? 0U : 1U;
  place->second = std::move(lease);
}

void Book::erase(std::string_view id) {
  const auto found = leases_.find(id);
  if (found == leases_.end()) {
    return;
  }
  note(found->first);
  waiting_ -= found->second.is_granted() ? 0U : 1U;
  leases_.erase(found);
}

void Book::note(const std::string& id) {
  if (const auto [place, is_new] = changes_.try_emplace(id); is_new) {
    if (const Lease* const before = find(id)) {
      place->second = *before;
    }
  }
}

void Book::commit() { changes_.clear(); }

void Book::roll_back() {
  for (auto& [id, before] : std::exchange(changes_, {})) {
    if (before) {
      put(std::move(*before));
    } else {
      erase(id);
    }
  }
  changes_.clear();
}

}  // namespace levee::ledger
