// Supply: what the machine has, as it was last read, and what each account really uses of it.
// Plain values.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/gpu.hpp"
#include "ledger/lease.hpp"
#include "levee/bytes.hpp"

namespace levee::ledger {

struct DeviceSupply {
  std::string uuid;
  int index = 0;
  std::string name;
  Bytes total;
  Bytes reserved;  ///< By the driver.
  Bytes used;      ///< By everybody, Levee's accounts included.
  std::optional<ComputeCapability> capability;
  double load_percent = 0;
  bool is_instance = false;  ///< MIG: a program can use one such at a time.
  bool unified = false;      ///< Its memory is the host's.
  std::string why_not;       ///< Why nothing can be promised on it now; empty: it can.
};

struct HostSupply {
  Bytes total;
  Bytes available;
};

/// What the processes of an account really use, or what an account is promised.
struct Use {
  std::vector<DeviceShare> devices;
  Bytes host;
};

struct Supply {
  std::vector<DeviceSupply> devices;
  bool devices_known = true;  ///< False: nobody has said yet which devices there are.
  std::optional<HostSupply> host;
  std::map<std::string, Use, std::less<>> uses;  ///< By account.
};

/// What an administrator may set.
struct Rules {
  Bytes device_reserve = mib(512);    ///< Kept free on each device (`memory_reserve_mb`).
  double max_balloon_percent = 100;   ///< Of a device's capacity, for balloons of no other lease.
  std::optional<Bytes> memory_limit;  ///< `memory_limit_mb`; absent: 75 % of the device.
  Bytes host_reserve = gib(2);
  std::size_t most_leases_per_user = 256;
  std::optional<Bytes> most_device_bytes_per_user;  ///< On all devices together.
  std::optional<Bytes> most_host_bytes_per_user;
};

}  // namespace levee::ledger
