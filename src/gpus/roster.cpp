#include "gpus/roster.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <utility>

namespace levee::gpus {
namespace {

/// More rows than a few lists can hold come only from devices that change their names; those are
/// not collected without end.
constexpr std::size_t kMostRows = 4 * wire::kMostDevices;

/// `fresh` with `index`; `known` itself where that says nothing new, so that a thousand readings
/// share one identity.
std::shared_ptr<const GpuIdentity> with_index(const GpuIdentity& fresh, int index,
                                              const std::shared_ptr<const GpuIdentity>& known) {
  GpuIdentity indexed = fresh;
  indexed.index = index;
  return known != nullptr && *known == indexed
             ? known
             : std::make_shared<const GpuIdentity>(std::move(indexed));
}

/// The last figures stay as they are; only what they are worth has changed.
void mark_all(std::vector<GpuReading>& readings, GpuCondition condition, std::string_view detail) {
  for (GpuReading& reading : readings) {
    reading.condition = condition;
    reading.condition_detail = detail;
  }
}

std::shared_ptr<const GpuIdentity> identity_among(const std::vector<GpuReading>& readings,
                                                  std::string_view uuid) {
  const auto found = std::ranges::find_if(
      readings, [&](const GpuReading& reading) { return reading.identity->uuid == uuid; });
  return found == readings.end() ? nullptr : found->identity;
}

}  // namespace

void Roster::list(const std::vector<GpuIdentity>& devices, MonoTime now) {
  for (auto& [uuid, row] : rows_) {
    const bool was_listed = row.listed;
    row.listed = std::ranges::find(devices, uuid, &GpuIdentity::uuid) != devices.end();
    const bool says_so = !row.readings.empty() && row.readings[0].condition == GpuCondition::lost;
    if (was_listed && !row.listed && !says_so) {
      mark_all(row.readings, GpuCondition::lost, "the driver no longer lists it");
    }
  }
  for (const GpuIdentity& device : devices) {
    const auto found = rows_.find(device.uuid);
    if (found != rows_.end()) {
      Row& row = found->second;
      row.identity = with_index(device, row.identity->index, row.identity);
    } else if (rows_.size() < kMostRows) {
      const int index = free_index(device.index);
      Row& row = rows_[device.uuid];
      row.identity = with_index(device, index, nullptr);
      row.listed_at = now;
    }
  }
}

int Roster::free_index(int wanted) const {
  std::set<int> taken;
  for (const auto& entry : rows_) {
    taken.insert(entry.second.identity->index);
  }
  while (taken.contains(wanted)) {
    ++wanted;
  }
  return wanted;
}

void Roster::take(wire::Answer answer) {
  const auto found = rows_.find(answer.readings.front().identity->uuid);
  if (found == rows_.end() || !found->second.listed) {
    return;
  }
  Row& row = found->second;
  row.answered = std::max(row.answered, answer.number);
  row.took = answer.took;
  adopt(row, std::move(answer.readings));
}

void Roster::adopt(Row& row, std::vector<GpuReading> readings) {
  const GpuReading& device = readings.front();
  if (device.condition != GpuCondition::ok && !row.readings.empty()) {
    mark_all(row.readings, device.condition, device.condition_detail);
    return;
  }
  for (GpuReading& reading : readings) {
    const auto known =
        &reading == &device ? row.identity : identity_among(row.readings, reading.identity->uuid);
    reading.identity = with_index(*reading.identity, row.identity->index, known);
  }
  row.readings = std::move(readings);
}

bool Roster::awaits_within(std::chrono::nanoseconds patience) const {
  return std::ranges::any_of(rows_, [&](const auto& entry) {
    const Row& row = entry.second;
    return row.listed && row.answered != 0 && row.answered + 1 == question_ && row.took <= patience;
  });
}

bool Roster::awaits_any() const {
  return std::ranges::any_of(rows_, [&](const auto& entry) {
    return entry.second.listed && entry.second.answered < question_;
  });
}

bool Roster::is_empty() const {
  return std::ranges::none_of(rows_, [](const auto& entry) { return entry.second.listed; });
}

std::vector<GpuReading> Roster::rows(MonoTime now, std::chrono::milliseconds silence) const {
  std::vector<const Row*> by_index;
  by_index.reserve(rows_.size());
  std::ranges::transform(rows_, std::back_inserter(by_index),
                         [](const auto& entry) { return &entry.second; });
  std::ranges::sort(by_index, {}, [](const Row* row) { return row->identity->index; });

  std::vector<GpuReading> all;
  for (const Row* row : by_index) {
    all.insert(all.end(), row->readings.begin(), row->readings.end());
    if (row->readings.empty() && (!row->listed || now - row->listed_at >= silence)) {
      GpuReading& silent = all.emplace_back();
      silent.identity = row->identity;
      silent.condition = row->listed ? GpuCondition::unreadable : GpuCondition::lost;
      silent.condition_detail = "the driver lists it, but has never told anything of it";
      silent.read_at = row->listed_at;
    }
  }
  return all;
}

}  // namespace levee::gpus
