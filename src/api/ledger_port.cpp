#include "api/ledger_port.hpp"

namespace levee::api {

std::vector<DeviceLine> device_lines(const ledger::Balance& balance) {
  std::vector<DeviceLine> lines;
  lines.reserve(balance.devices.size());
  for (const ledger::DeviceBalance& each : balance.devices) {
    lines.push_back({.uuid = each.device->uuid,
                     .index = each.device->index,
                     .name = each.device->name,
                     .capacity = each.capacity,
                     .promised = each.promised,
                     .committed = each.committed,
                     .unaccounted = each.unaccounted,
                     .outstanding = each.outstanding,
                     .available = each.available,
                     .limit = each.limit,
                     .limited = each.limited,
                     .why_not = each.device->why_not});
  }
  return lines;
}

}  // namespace levee::api
