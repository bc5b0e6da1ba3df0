// Intel GPUs: the files of the xe and i915 drivers (Linux Documentation/ABI/testing/
// sysfs-driver-intel-{xe,i915}-hwmon), and their query for the memory on the card.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

#include "gpus/drm_clients.hpp"
#include "gpus/drm_driver.hpp"
#include "gpus/intel_query.hpp"
#include "gpus/sysfs.hpp"
#include "sources/fields.hpp"

namespace levee::gpus {
namespace {

constexpr std::uint16_t kIntel = 0x8086;
constexpr double kMicro = 1e6;

/// Where a driver keeps what; the two agree in hardly anything.
struct Layout {
  const char* temperature;  ///< Of the package; hwmon's number of it.
  const char* memory_temperature;
  const char* actual_clock;
  const char* wanted_clock;
  const char* max_clock;
  const char* throttle;  ///< Prefix of the files that say why the clock is held down.
};
/// Below /sys/class/drm/cardN.
constexpr Layout kXe{"temp2_input",
                     "temp3_input",
                     "device/tile0/gt0/freq0/act_freq",
                     "device/tile0/gt0/freq0/cur_freq",
                     "device/tile0/gt0/freq0/rp0_freq",
                     "device/tile0/gt0/freq0/throttle/"};
constexpr Layout kI915{
    "temp1_input", "", "gt_act_freq_mhz", "gt_cur_freq_mhz", "gt_RP0_freq_mhz", "gt/gt0/throttle_"};

struct Throttle {
  const char* file;
  const char* reason;
};
constexpr std::array kThrottles{
    Throttle{"reason_pl1", "sw_power_cap"},   Throttle{"reason_pl2", "sw_power_cap"},
    Throttle{"reason_pl4", "hw_power_brake"}, Throttle{"reason_thermal", "hw_thermal"},
    Throttle{"reason_prochot", "hw_thermal"}, Throttle{"reason_vr_thermalert", "hw_thermal"}};

/// Sum of the regions on the card, or of those in the host's memory.
std::optional<Bytes> sum_of(const std::map<std::string, Bytes, std::less<>>& regions, bool local) {
  std::optional<Bytes> sum;
  for (const auto& [name, size] : regions) {
    // xe: vram0, vram1; i915: local0, stolen-local0. All else ("system", "gtt") is host memory.
    const bool is_local = name.starts_with("vram") || name.find("local") != std::string::npos;
    if (is_local == local) {
      sum = sum.value_or(Bytes{}) + size;
    }
  }
  return sum;
}

/// Busy with what users submit: 3D and compute. xe and i915 name the engines differently.
double busiest(const DrmClients::Percentages& engines) {
  double most = 0;
  for (const char* name : {"rcs", "ccs", "render", "compute"}) {
    const auto found = engines.find(name);
    most = std::max(most, found == engines.end() ? 0 : found->second);
  }
  return most;
}

/// What the kernel's dmem controller (Linux 6.14) knows of the card's capacity:
/// "drm/0000:03:00.0/vram0 8514437120" in the root of the cgroups.
std::optional<Bytes> dmem_capacity(const sources::Root& root, const std::string& slot) {
  const std::string text = root.read("/sys/fs/cgroup/dmem.capacity").value_or("");
  const std::string wanted = fmt::format("drm/{}/vram", slot);
  std::string_view rest = text;
  std::optional<Bytes> sum;
  while (!rest.empty()) {
    std::string_view line = sources::take_line(rest);
    const std::string_view region = sources::take_word(line);
    const auto size = sources::to_number<std::uint64_t>(sources::take_word(line));
    if (region.starts_with(wanted) && size) {
      sum = sum.value_or(Bytes{}) + Bytes{*size};
    }
  }
  return sum;
}

/// Capacity by files. Mainline has none; the vendor's own kernels have one or the other.
std::optional<Bytes> local_capacity(const DrmCard& card) {
  for (const SysDir& place : {card.card, card.device}) {
    if (const auto total = place.number("lmem_total_bytes")) {
      return Bytes{*total};
    }
  }
  std::optional<Bytes> sum;
  for (const std::string& tile : card.device.names("tile")) {
    if (const auto size = card.device.below(tile).number("physical_vram_size_bytes")) {
      sum = sum.value_or(Bytes{}) + Bytes{*size};
    }
  }
  return sum ? sum : dmem_capacity(card.card.root(), card.pci.slot);
}

/// Power from a counter of energy.
class EnergyMeter {
 public:
  /// Watts since the last call; nothing at the first, and after the counter was reset.
  std::optional<double> watts(std::optional<std::uint64_t> microjoules, MonoTime now) {
    const auto before = std::exchange(last_, std::nullopt);
    if (!microjoules) {
      return std::nullopt;
    }
    last_ = {*microjoules, now};
    const Seconds passed = before ? now - before->second : Seconds{0};
    if (!before || *microjoules < before->first || passed.count() <= 0) {
      return std::nullopt;
    }
    return static_cast<double>(*microjoules - before->first) / kMicro / passed.count();
  }

 private:
  std::optional<std::pair<std::uint64_t, MonoTime>> last_;
};

class IntelDevice : public Device {
 public:
  IntelDevice(DrmCard card, GpuIdentity identity, std::shared_ptr<DrmHolders> holders)
      : card_(std::move(card)),
        hwmon_(find_hwmon(card_)),
        layout_(card_.pci.driver == "xe" ? kXe : kI915),
        clients_(card_.card.root(), std::move(holders), card_.pci.slot, card_.nodes) {
    capacity_ = local_capacity(card_);
    // Integrated GPUs sit on the root bus; a card has a bridge above it. In a virtual machine it
    // may have none, but then it tells its capacity.
    const bool is_on_root_bus = card_.pci.slot.find(":00:") != std::string::npos;
    const auto local = capacity_ ? std::nullopt : query();
    identity.unified_memory = !capacity_ && !local && is_on_root_bus;
    identity_ = std::make_shared<const GpuIdentity>(std::move(identity));
  }

  [[nodiscard]] const GpuIdentity& identity() const override { return *identity_; }

  [[nodiscard]] std::vector<GpuReading> read(Now now) override {
    GpuReading reading;
    reading.identity = identity_;
    reading.read_at = now.mono;
    if (!is_there(card_)) {
      reading.condition = GpuCondition::lost;
      reading.condition_detail = fmt::format("{} is gone", card_.device.path());
      return {reading};
    }
    const bool awake = !is_asleep(card_);  // else most files would wake it
    const DrmClients::Reading clients = clients_.read(now.mono);
    reading.memory = identity_->unified_memory ? host_memory(clients) : own_memory(clients, awake);
    if (awake) {
      read_sensors(reading, now.mono);
      read_clocks(reading);
    }
    if (clients.engines && clients.complete) {
      reading.utilization_percent = busiest(*clients.engines);
    }
    reading.processes = processes(clients);
    return {reading};
  }

 private:
  [[nodiscard]] std::optional<LocalMemory> query() const;
  [[nodiscard]] std::optional<Bytes> used_by(const DrmClients::Reading& clients) const;
  [[nodiscard]] std::optional<GpuMemory> host_memory(const DrmClients::Reading& clients) const;
  [[nodiscard]] std::optional<GpuMemory> own_memory(const DrmClients::Reading& clients,
                                                    bool awake) const;
  void read_sensors(GpuReading& reading, MonoTime now);
  void read_clocks(GpuReading& reading) const;
  [[nodiscard]] std::optional<std::vector<GpuProcess>> processes(
      const DrmClients::Reading& clients) const;

  DrmCard card_;
  std::optional<SysDir> hwmon_;
  Layout layout_;
  DrmClients clients_;
  std::optional<Bytes> capacity_;  ///< Of the card, where a file tells it.
  EnergyMeter energy_;
  std::shared_ptr<const GpuIdentity> identity_;
};

/// Only a real machine has drivers to ask.
std::optional<LocalMemory> IntelDevice::query() const {
  const std::string node = card_.render_node();
  return card_.card.root().is_real() && !node.empty() && !is_asleep(card_)
             ? query_local_memory(card_.pci.driver, "/dev/dri/" + node)
             : std::nullopt;
}

/// Nothing unless all processes could be looked at.
std::optional<Bytes> IntelDevice::used_by(const DrmClients::Reading& clients) const {
  if (!clients.complete) {
    return std::nullopt;
  }
  Bytes used;
  for (const DrmClients::ProcessUse& use : clients.processes) {
    used += sum_of(use.regions, !identity_->unified_memory).value_or(Bytes{});
  }
  return used;
}

/// The host's memory is the GPU's pool. What others hold of it counts as reserved.
std::optional<GpuMemory> IntelDevice::host_memory(const DrmClients::Reading& clients) const {
  const auto host = read_host_memory(card_.card.root());
  const auto used = used_by(clients);
  if (!host || !used) {
    return std::nullopt;
  }
  GpuMemory memory{.total = host->total, .used = {}, .free = host->available, .reserved = {}};
  memory.used = std::min(*used, memory.total - memory.free);
  memory.reserved = memory.total - memory.free - memory.used;
  return memory;
}

std::optional<GpuMemory> IntelDevice::own_memory(const DrmClients::Reading& clients,
                                                 bool awake) const {
  const auto local = awake ? query() : std::nullopt;
  const auto total = local ? std::optional(local->total) : capacity_;
  // The clients' sum leaves out what the kernel has for itself, and counts shared buffers twice.
  const auto used = local && local->used ? local->used : used_by(clients);
  if (!total || !used) {
    return std::nullopt;
  }
  return GpuMemory{
      .total = *total, .used = std::min(*used, *total), .free = *total - *used, .reserved = {}};
}

void IntelDevice::read_sensors(GpuReading& reading, MonoTime now) {
  if (!hwmon_) {
    return;
  }
  constexpr double kMilli = 1000;
  reading.temperature_celsius = hwmon_->scaled(layout_.temperature, kMilli);
  if (*layout_.memory_temperature != '\0') {
    reading.memory_temperature_celsius = hwmon_->scaled(layout_.memory_temperature, kMilli);
  }
  auto energy = hwmon_->number("energy1_input");
  if (!energy) {
    energy = hwmon_->number("energy2_input");  // xe on chips that meter the package only
  }
  reading.power_watts = energy_.watts(energy, now);
  const auto limit = hwmon_->scaled("power1_max", kMicro);
  if (limit && *limit > 0) {  // 0: the limit is off
    reading.power_limit_watts = limit;
  }
}

void IntelDevice::read_clocks(GpuReading& reading) const {
  // The clock that runs, 0 while the GPU is parked; older kernels tell the wanted one only.
  reading.core_clock_mhz = card_.card.scaled(layout_.actual_clock, 1);
  if (!reading.core_clock_mhz) {
    reading.core_clock_mhz = card_.card.scaled(layout_.wanted_clock, 1);
  }
  reading.max_core_clock_mhz = card_.card.scaled(layout_.max_clock, 1);
  const auto is_set = [&](const char* file) {
    return card_.card.number(std::string(layout_.throttle) + file).value_or(0) != 0;
  };
  // i915: throttle_reason_status, xe: throttle/status
  if (!is_set("status") && !is_set("reason_status")) {
    return;
  }
  for (const Throttle& throttle : kThrottles) {
    const bool is_told = std::ranges::find(reading.slowdown_reasons, throttle.reason) !=
                         reading.slowdown_reasons.end();
    if (!is_told && is_set(throttle.file)) {
      reading.slowdown_reasons.emplace_back(throttle.reason);
    }
  }
}

std::optional<std::vector<GpuProcess>> IntelDevice::processes(
    const DrmClients::Reading& clients) const {
  if (!clients.listed) {
    return std::nullopt;
  }
  std::vector<GpuProcess> all;
  for (const DrmClients::ProcessUse& use : clients.processes) {
    GpuProcess process;
    process.pid = use.pid;
    process.memory = sum_of(use.regions, !identity_->unified_memory);
    if (clients.engines) {
      process.sm_percent = busiest(use.engines);
    }
    const auto is_busy = [&](const char* name) {
      const auto found = use.engines.find(name);
      return found != use.engines.end() && found->second > 0;
    };
    process.compute = is_busy("ccs") || is_busy("compute");
    process.graphics = is_busy("rcs") || is_busy("render") || !process.compute;
    // The session manager holds every card open and uses none.
    if (process.memory != Bytes{} || process.sm_percent.value_or(0) > 0) {
      all.push_back(std::move(process));
    }
  }
  return all;
}

class IntelDriver : public Driver {
 public:
  explicit IntelDriver(sources::Root root)
      : root_(std::move(root)), holders_(std::make_shared<DrmHolders>(root_)) {}

  [[nodiscard]] Result<std::vector<std::unique_ptr<Device>>> devices() override {
    std::vector<std::unique_ptr<Device>> devices;
    for (const DrmCard& card : list_drm_cards(root_, kIntel, {"xe", "i915"})) {
      GpuIdentity identity;
      identity.uuid = "INTEL-" + card.pci.slot;
      identity.index = static_cast<int>(devices.size());
      identity.vendor = GpuVendor::intel;
      identity.name =
          device_name(card, fmt::format("Intel GPU {:04x}:{:04x}", kIntel, card.pci.product));
      identity.pci_bus_id = card.pci.slot;
      identity.driver_version = driver_version(root_, card.pci.driver);
      identity.minor = card.minor;
      devices.push_back(std::make_unique<IntelDevice>(card, std::move(identity), holders_));
    }
    return devices;
  }

 private:
  sources::Root root_;
  std::shared_ptr<DrmHolders> holders_;
};

}  // namespace

Result<std::unique_ptr<Driver>> find_intel(const sources::Root& root) {
  if (list_drm_cards(root, kIntel, {"xe", "i915"}).empty()) {
    return fail(ErrorCode::not_found, "no GPU of the xe or i915 driver in /sys/class/drm");
  }
  return std::make_unique<IntelDriver>(root);
}

}  // namespace levee::gpus
