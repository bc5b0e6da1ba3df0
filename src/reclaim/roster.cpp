#include "reclaim/roster.hpp"

#include <algorithm>

namespace levee::reclaim {

const Offer* Client::offer(ReclaimStrategy strategy, std::string_view device) const {
  const auto found = std::ranges::find_if(offers, [&](const Offer& each) {
    return each.strategy == strategy && each.device == device;
  });
  return found == offers.end() ? nullptr : &*found;
}

const Client* Roster::find(std::string_view id) const {
  const auto found = std::ranges::find(clients, id, &Client::id);
  return found == clients.end() ? nullptr : &*found;
}

std::optional<std::int64_t> Asked::measured() const {
  if (!before || !after || !before->process || !after->process) {
    return std::nullopt;
  }
  // Memory of one process is far below 2^63 bytes.
  return static_cast<std::int64_t>(before->process->count) -
         static_cast<std::int64_t>(after->process->count);
}

}  // namespace levee::reclaim
