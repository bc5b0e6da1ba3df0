#include "engine/job_records.hpp"

#include <algorithm>
#include <utility>

namespace levee::engine {
namespace {

using ledger::DeviceShare;
using ledger::Use;

void raise(Use& peak, const Use& now) {
  for (const DeviceShare& share : now.devices) {
    const auto known = std::ranges::find(peak.devices, share.uuid, &DeviceShare::uuid);
    if (known == peak.devices.end()) {
      peak.devices.push_back(share);
    } else {
      known->bytes = std::max(known->bytes, share.bytes);
    }
  }
  peak.host = std::max(peak.host, now.host);
}

Bytes most_on_a_device(const Use& use) {
  Bytes most;
  for (const DeviceShare& share : use.devices) {
    most = std::max(most, share.bytes);
  }
  return most;
}

}  // namespace

void Peaks::note(const ledger::Book& book, const ledger::Supply& supply) {
  std::erase_if(peaks_, [&](const auto& peak) { return book.find(peak.first) == nullptr; });
  for (const auto& [account, use] : supply.uses) {
    if (book.find(account) != nullptr) {
      raise(peaks_[account], use);
    }
  }
}

Use Peaks::of(const std::string& account) const {
  const auto peak = peaks_.find(account);
  return peak == peaks_.end() ? Use{} : peak->second;
}

void JobRecords::note(const ledger::Happening& happening, const Peaks& peaks, WallTime now) {
  const ledger::Lease& lease = happening.lease;
  // A lease within another shares its account's use: its peak would be another job's.
  if (happening.kind == ledger::Happening::Kind::granted || !lease.is_granted() ||
      !lease.prediction || !lease.demand.within.empty()) {
    return;
  }
  const Bytes peak = most_on_a_device(peaks.of(lease.account()));
  if (peak.count > 0) {
    ended_.push_back({.lease = lease.id,
                      .uid = lease.uid,
                      .ended = now,
                      .predicted = *lease.prediction,
                      .peak = peak});
  }
}

bool JobRecords::commit() {
  const Records ended = std::exchange(ended_, {});
  for (const JobRecord& record : ended) {
    // One that cannot be kept costs nobody a promise, and is gone.
    is_current_ = !store_.remember(record) && is_current_;
  }
  return !ended.empty();
}

std::shared_ptr<const JobRecords::Records> JobRecords::all() {
  if (!is_current_) {
    is_current_ = true;  // A store that cannot be read is not asked again at every turn.
    if (auto records = store_.recall()) {
      known_ = std::make_shared<const Records>(std::move(*records));
    }
  }
  return known_;
}

Result<void> JobRecords::forget() {
  is_current_ = false;
  return store_.forget();
}

}  // namespace levee::engine
