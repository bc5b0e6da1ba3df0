#include "gpus/sysfs.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "sources/fields.hpp"

namespace levee::gpus {
namespace {

using sources::to_number;

constexpr std::string_view kCards = "/sys/class/drm";
/// pci.ids has 1.4 MB today.
constexpr std::size_t kLongestList = 8 * kMiB;
constexpr std::array kPciIds{"/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids",
                             "/usr/share/pci.ids"};
constexpr const char* kAmdgpuIds = "/usr/share/libdrm/amdgpu.ids";
constexpr std::uint16_t kAmd = 0x1002;
constexpr double kMilli = 1000;

std::string without_end(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

/// N of "cardN"; connectors ("card0-DP-1") and render nodes have none.
std::optional<int> card_number(std::string_view name) {
  return name.starts_with("card") ? to_number<int>(name.substr(4)) : std::nullopt;
}

}  // namespace

std::string SysDir::at(std::string_view file) const { return fmt::format("{}/{}", path_, file); }

SysDir SysDir::below(std::string_view name) const { return {root_, at(name)}; }

bool SysDir::has(std::string_view file) const {
  return ::access(root_.at(at(file)).c_str(), F_OK) == 0;
}

std::string SysDir::text(std::string_view file) const {
  return without_end(root_.read(at(file)).value_or(""));
}

std::optional<std::uint64_t> SysDir::number(std::string_view file) const {
  return to_number<std::uint64_t>(text(file));
}

Result<std::uint64_t> SysDir::require(std::string_view file) const {
  const auto content = root_.read(at(file));
  if (!content) {
    return std::unexpected(content.error());
  }
  const auto value = to_number<std::uint64_t>(without_end(*content));
  if (!value) {
    return fail(ErrorCode::corrupt, fmt::format("{} does not hold a number", root_.at(at(file))));
  }
  return *value;
}

std::optional<double> SysDir::scaled(std::string_view file, double unit) const {
  const auto value = number(file);
  return value ? std::optional(static_cast<double>(*value) / unit) : std::nullopt;
}

std::vector<std::string> SysDir::names(std::string_view prefix) const {
  std::vector<std::string> found;
  std::error_code error;
  std::filesystem::directory_iterator entry(root_.at(path_), error);
  while (!error && entry != std::filesystem::directory_iterator{}) {
    std::string name = entry->path().filename().string();
    if (name.starts_with(prefix)) {
      found.push_back(std::move(name));
    }
    entry.increment(error);
  }
  std::ranges::sort(found);
  return found;
}

std::string DrmCard::render_node() const {
  const auto found = std::ranges::find_if(
      nodes, [](const std::string& node) { return node.starts_with("renderD"); });
  return found == nodes.end() ? std::string{} : *found;
}

std::vector<DrmCard> list_drm_cards(const sources::Root& root, std::uint16_t vendor,
                                    const std::vector<std::string>& drivers) {
  std::vector<DrmCard> cards;
  const SysDir all(root, std::string(kCards));
  for (const std::string& name : all.names("card")) {
    const auto number = card_number(name);
    const SysDir card = all.below(name);
    const SysDir device = card.below("device");
    auto pci = number ? parse_uevent(device.text("uevent")) : std::nullopt;
    if (!pci || pci->vendor != vendor || std::ranges::find(drivers, pci->driver) == drivers.end()) {
      continue;
    }
    std::vector<std::string> nodes = device.below("drm").names("renderD");
    nodes.push_back(name);
    const std::string revision = device.text("revision");  // "0xc8"
    cards.push_back(
        {.minor = *number,
         .card = card,
         .device = device,
         .pci = std::move(*pci),
         .revision =
             revision.starts_with("0x")
                 ? to_number<std::uint8_t>(std::string_view(revision).substr(2), 16).value_or(0)
                 : std::uint8_t{0},
         .nodes = std::move(nodes)});
  }
  std::ranges::sort(cards, {}, [](const DrmCard& card) { return card.pci.slot; });
  return cards;
}

bool is_there(const DrmCard& card) {
  const auto now = parse_uevent(card.device.text("uevent"));
  return now && now->slot == card.pci.slot && now->driver == card.pci.driver;
}

std::optional<sources::MemInfo> read_host_memory(const sources::Root& root) {
  const auto text = root.read("/proc/meminfo");
  if (!text) {
    return std::nullopt;
  }
  const auto info = sources::parse_meminfo(*text);
  return info ? std::optional(*info) : std::nullopt;
}

std::optional<SysDir> find_hwmon(const DrmCard& card) {
  const SysDir all = card.device.below("hwmon");
  for (const std::string& name : all.names("hwmon")) {
    SysDir hwmon = all.below(name);
    if (hwmon.text("name") == card.pci.driver) {  // i915 has others for each of its parts
      return hwmon;
    }
  }
  return std::nullopt;
}

Thermometer read_thermometer(const SysDir& hwmon, int number) {
  const auto degrees = [&](const char* what) {
    return hwmon.scaled(fmt::format("temp{}_{}", number, what), kMilli);
  };
  return {
      .celsius = degrees("input"), .critical = degrees("crit"), .emergency = degrees("emergency")};
}

std::optional<Thermometer> find_thermometer(const SysDir& hwmon, std::string_view label) {
  constexpr int kMost = 8;
  for (int number = 1; number <= kMost; ++number) {
    if (hwmon.text(fmt::format("temp{}_label", number)) == label) {
      return read_thermometer(hwmon, number);
    }
  }
  return std::nullopt;
}

bool is_asleep(const DrmCard& card) {
  return card.device.text("power/runtime_status") == "suspended";
}

std::string driver_version(const sources::Root& root, const std::string& driver) {
  const std::string module = SysDir(root, "/sys/module/" + driver).text("version");
  return module.empty() ? SysDir(root, "/proc/sys/kernel").text("osrelease") : module;
}

std::string device_name(const DrmCard& card, std::string fallback) {
  const sources::Root& root = card.card.root();
  if (card.pci.vendor == kAmd) {
    const auto list = root.read(kAmdgpuIds, kLongestList);
    auto name = list ? find_in_amdgpu_ids(*list, card.pci.product, card.revision) : std::nullopt;
    if (name) {
      return std::move(*name);
    }
  }
  for (const char* path : kPciIds) {
    const auto list = root.read(path, kLongestList);
    auto name = list ? find_in_pci_ids(*list, card.pci.vendor, card.pci.product) : std::nullopt;
    if (name) {
      const std::string_view maker = card.pci.vendor == kAmd ? "AMD" : "Intel";
      return name->starts_with(maker) ? std::move(*name) : fmt::format("{} {}", maker, *name);
    }
  }
  return fallback;
}

}  // namespace levee::gpus
