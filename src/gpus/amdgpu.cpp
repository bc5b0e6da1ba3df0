// AMD GPUs: the files of the amdgpu driver (Linux Documentation/gpu/amdgpu) and of KFD.
//
// Not read on purpose: pcie_bw, which makes the reader wait for a second.
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "gpus/drm_clients.hpp"
#include "gpus/drm_driver.hpp"
#include "gpus/kfd.hpp"
#include "gpus/sysfs.hpp"
#include "sources/proc_text.hpp"

namespace levee::gpus {
namespace {

constexpr std::uint16_t kAmd = 0x1002;
constexpr double kMicro = 1e6;

/// An APU takes a part of the host's memory for itself at boot (its VRAM) and more as it needs
/// (GTT). Where the part is the smaller one, both count as its memory (nvtop #492). With a large
/// part, as set in the firmware of some, it is a GPU with memory of its own.
bool shares_host_memory(const DrmCard& card, const std::optional<SysDir>& hwmon) {
  // The driver shows the voltage of the north bridge for APUs only.
  const bool is_apu = hwmon && hwmon->text("in1_label") == "vddnb";
  const auto vram = card.device.number("mem_info_vram_total");
  const auto gtt = card.device.number("mem_info_gtt_total");
  return is_apu && vram && gtt && *vram < *gtt;
}

double busiest(const DrmClients::Percentages& engines, std::initializer_list<const char*> names) {
  double most = 0;
  for (const char* name : names) {
    const auto found = engines.find(name);
    most = std::max(most, found == engines.end() ? 0 : found->second);
  }
  return most;
}

class AmdDevice : public Device {
 public:
  AmdDevice(DrmCard card, GpuIdentity identity, std::shared_ptr<DrmHolders> holders)
      : card_(std::move(card)),
        hwmon_(find_hwmon(card_)),
        kfd_gpus_(find_kfd_gpus(card_.card.root(), card_.pci.slot)),
        clients_(card_.card.root(), std::move(holders), card_.pci.slot, card_.nodes) {
    identity.unified_memory = shares_host_memory(card_, hwmon_);
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
    read_memory(reading);
    if (!is_asleep(card_)) {  // else these files would wake it
      read_load(reading);
      read_sensors(reading);
      read_clocks(reading);
    }
    read_processes(reading, now.mono);
    return {reading};
  }

 private:
  void read_memory(GpuReading& reading) const;
  void read_load(GpuReading& reading) const;
  void read_sensors(GpuReading& reading) const;
  void read_clocks(GpuReading& reading) const;
  void read_processes(GpuReading& reading, MonoTime now);
  [[nodiscard]] GpuProcess describe(const DrmClients::ProcessUse& use, bool has_rates) const;

  DrmCard card_;
  std::optional<SysDir> hwmon_;
  std::vector<std::string> kfd_gpus_;
  DrmClients clients_;
  std::shared_ptr<const GpuIdentity> identity_;
};

void AmdDevice::read_memory(GpuReading& reading) const {
  const auto total = card_.device.require("mem_info_vram_total");
  const auto used = card_.device.require("mem_info_vram_used");
  if (!total || !used) {
    reading.condition = GpuCondition::unreadable;
    reading.condition_detail = (total ? used : total).error().message;
    return;
  }
  GpuMemory memory{.total = Bytes{*total}, .used = Bytes{*used}, .free = {}, .reserved = {}};
  memory.free = memory.total - memory.used;
  if (identity_->unified_memory) {
    const Bytes gtt_total{card_.device.number("mem_info_gtt_total").value_or(0)};
    const Bytes gtt_used{card_.device.number("mem_info_gtt_used").value_or(0)};
    // GTT is a right to take host memory; what others have taken already is not free.
    const Bytes gtt_free = gtt_total - gtt_used;
    const auto host = read_host_memory(card_.card.root());
    memory.total += gtt_total;
    memory.used += gtt_used;
    memory.free += host ? std::min(gtt_free, host->available) : gtt_free;
    memory.reserved = memory.total - memory.used - memory.free;
  }
  reading.memory = memory;
}

void AmdDevice::read_load(GpuReading& reading) const {
  reading.utilization_percent = card_.device.scaled("gpu_busy_percent", 1);
  reading.memory_utilization_percent = card_.device.scaled("mem_busy_percent", 1);
  if (card_.device.has("ras/umc_err_count")) {
    const RasErrors errors = parse_ras_errors(card_.device.text("ras/umc_err_count"));
    reading.health.ecc_corrected = errors.corrected;
    reading.health.ecc_uncorrected = errors.uncorrected;
  }
}

void AmdDevice::read_sensors(GpuReading& reading) const {
  if (!hwmon_) {
    return;
  }
  // Data-centre cards have no "edge", only the hot spot.
  auto core = find_thermometer(*hwmon_, "edge");
  if (!core) {
    core = find_thermometer(*hwmon_, "junction");
  }
  const Thermometer shown = core.value_or(read_thermometer(*hwmon_, 1));
  reading.temperature_celsius = shown.celsius;
  reading.slowdown_celsius = shown.critical;
  reading.shutdown_celsius = shown.emergency;
  if (const auto memory = find_thermometer(*hwmon_, "mem")) {
    reading.memory_temperature_celsius = memory->celsius;
  }
  reading.power_watts = hwmon_->scaled("power1_average", kMicro);
  if (!reading.power_watts) {
    reading.power_watts = hwmon_->scaled("power1_input", kMicro);
  }
  reading.power_limit_watts = hwmon_->scaled("power1_cap", kMicro);
  const auto pulse = hwmon_->scaled("pwm1", 1);
  const double most = hwmon_->scaled("pwm1_max", 1).value_or(255);
  if (pulse && most > 0) {
    reading.fan_percent = std::min(100 * *pulse / most, 100.0);
  }
}

void AmdDevice::read_clocks(GpuReading& reading) const {
  const DpmClock core = parse_dpm_clock(card_.device.text("pp_dpm_sclk"));
  const DpmClock memory = parse_dpm_clock(card_.device.text("pp_dpm_mclk"));
  // hwmon tells what runs, the levels what was chosen.
  reading.core_clock_mhz = hwmon_ ? hwmon_->scaled("freq1_input", kMicro) : std::nullopt;
  reading.memory_clock_mhz = hwmon_ ? hwmon_->scaled("freq2_input", kMicro) : std::nullopt;
  if (!reading.core_clock_mhz) {
    reading.core_clock_mhz = core.current_mhz;
  }
  if (!reading.memory_clock_mhz) {
    reading.memory_clock_mhz = memory.current_mhz;
  }
  reading.max_core_clock_mhz = core.max_mhz;
  reading.max_memory_clock_mhz = memory.max_mhz;
}

GpuProcess AmdDevice::describe(const DrmClients::ProcessUse& use, bool has_rates) const {
  GpuProcess process;
  process.pid = use.pid;
  const auto region = [&](const char* name) {
    const auto found = use.regions.find(name);
    return found == use.regions.end() ? std::nullopt : std::optional(found->second);
  };
  process.memory = region("vram");
  if (identity_->unified_memory && (process.memory || region("gtt"))) {
    process.memory = process.memory.value_or(Bytes{}) + region("gtt").value_or(Bytes{});
  }
  if (has_rates) {
    process.sm_percent = busiest(use.engines, {"gfx", "compute"});
  }
  return process;
}

void AmdDevice::read_processes(GpuReading& reading, MonoTime now) {
  const DrmClients::Reading clients = clients_.read(now);
  const auto kfd = read_kfd_memory(card_.card.root(), kfd_gpus_);
  if (!clients.listed && kfd.empty()) {
    return;
  }
  std::map<pid_t, GpuProcess> processes;
  for (const DrmClients::ProcessUse& use : clients.processes) {
    GpuProcess process = describe(use, clients.engines.has_value());
    // The session manager holds every card open and uses none.
    const bool is_idle = process.memory == Bytes{} && process.sm_percent.value_or(0) == 0;
    if (!is_idle || kfd.contains(use.pid)) {
      process.graphics = true;
      process.compute = busiest(use.engines, {"compute"}) > 0;
      processes.emplace(use.pid, std::move(process));
    }
  }
  for (const auto& [pid, memory] : kfd) {
    // KFD's memory is in the process's DRM client too: the larger figure, not the sum. Its queues
    // are not: the engines' figures say nothing of their load.
    GpuProcess& process = processes[pid];
    process.pid = pid;
    process.memory = std::max(process.memory.value_or(Bytes{}), memory);
    process.compute = true;
    process.graphics = false;
    process.sm_percent.reset();
  }
  std::vector<GpuProcess> all;
  all.reserve(processes.size());
  for (auto& [pid, process] : processes) {
    all.push_back(std::move(process));
  }
  reading.processes = std::move(all);
  if (clients.engines && clients.complete) {
    reading.encoder_percent = busiest(*clients.engines, {"enc", "enc_1"});
    reading.decoder_percent = busiest(*clients.engines, {"dec", "jpeg"});
  }
}

class AmdDriver : public Driver {
 public:
  explicit AmdDriver(sources::Root root)
      : root_(std::move(root)), holders_(std::make_shared<DrmHolders>(root_)) {}

  [[nodiscard]] Result<std::vector<std::unique_ptr<Device>>> devices() override {
    const std::vector<DrmCard> cards = list_drm_cards(root_, kAmd, {"amdgpu"});
    std::map<std::string, int> serials;
    for (const DrmCard& card : cards) {
      ++serials[serial_of(card)];
    }
    std::vector<std::unique_ptr<Device>> devices;
    for (const DrmCard& card : cards) {
      const std::string serial = serial_of(card);
      // Virtual functions of one card share its serial number.
      const bool names_it = !serial.empty() && serials[serial] == 1;
      GpuIdentity identity = identify(card);
      identity.uuid = "AMD-" + (names_it ? serial : card.pci.slot);
      identity.index = static_cast<int>(devices.size());
      devices.push_back(std::make_unique<AmdDevice>(card, std::move(identity), holders_));
    }
    return devices;
  }

 private:
  /// Burnt into the chip; empty where there is none.
  static std::string serial_of(const DrmCard& card) {
    const std::string serial = card.device.text("unique_id");
    return serial.find_first_not_of('0') == std::string::npos ? std::string{} : serial;
  }

  [[nodiscard]] GpuIdentity identify(const DrmCard& card) const {
    GpuIdentity identity;
    identity.vendor = GpuVendor::amd;
    identity.name = sources::printable(card.device.text("product_name"));
    if (identity.name.empty()) {
      identity.name =
          device_name(card, fmt::format("AMD GPU {:04x}:{:04x}", kAmd, card.pci.product));
    }
    identity.pci_bus_id = card.pci.slot;
    identity.driver_version = driver_version(root_, card.pci.driver);
    identity.minor = card.minor;
    return identity;
  }

  sources::Root root_;
  std::shared_ptr<DrmHolders> holders_;
};

}  // namespace

Result<std::unique_ptr<Driver>> find_amdgpu(const sources::Root& root) {
  if (list_drm_cards(root, kAmd, {"amdgpu"}).empty()) {
    return fail(ErrorCode::not_found, "no GPU of the amdgpu driver in /sys/class/drm");
  }
  return std::make_unique<AmdDriver>(root);
}

}  // namespace levee::gpus
