// GPUs as sysfs shows them: which DRM cards there are, and the small files of one directory.
// Thread-safe; nothing is kept open.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpus/sysfs_text.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"
#include "sources/proc_text.hpp"
#include "sources/root.hpp"

namespace levee::gpus {

/// A directory of small files.
class SysDir {
 public:
  SysDir(sources::Root root, std::string path) : root_(std::move(root)), path_(std::move(path)) {}

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const sources::Root& root() const noexcept { return root_; }
  [[nodiscard]] SysDir below(std::string_view name) const;

  [[nodiscard]] bool has(std::string_view file) const;
  /// The content without the line end; empty when it cannot be read.
  [[nodiscard]] std::string text(std::string_view file) const;
  /// The one number in a file; decimal, not negative.
  [[nodiscard]] std::optional<std::uint64_t> number(std::string_view file) const;
  /// As number(), with the reason when there is none.
  [[nodiscard]] Result<std::uint64_t> require(std::string_view file) const;
  /// number() divided by `unit`: 45000 of 1000 is 45.
  [[nodiscard]] std::optional<double> scaled(std::string_view file, double unit) const;
  /// The names in this directory that start with `prefix`, sorted.
  [[nodiscard]] std::vector<std::string> names(std::string_view prefix) const;

 private:
  [[nodiscard]] std::string at(std::string_view file) const;

  sources::Root root_;
  std::string path_;
};

/// A GPU with a DRM driver.
struct DrmCard {
  int minor = 0;  ///< N of cardN.
  SysDir card;    ///< /sys/class/drm/cardN
  SysDir device;  ///< /sys/class/drm/cardN/device
  PciUevent pci;
  std::uint8_t revision = 0;
  std::vector<std::string> nodes;  ///< Its names below /dev/dri: "card0", "renderD128".

  /// "renderD128", or empty.
  [[nodiscard]] std::string render_node() const;
};

/// The cards of `vendor` whose driver is one of `drivers`, in order of their PCI slot.
[[nodiscard]] std::vector<DrmCard> list_drm_cards(const sources::Root& root, std::uint16_t vendor,
                                                  const std::vector<std::string>& drivers);

/// False once the card is gone, or its number belongs to another device.
[[nodiscard]] bool is_there(const DrmCard& card);

/// The host's memory, of which GPUs without memory of their own take theirs.
[[nodiscard]] std::optional<sources::MemInfo> read_host_memory(const sources::Root& root);

/// The hwmon directory of a card whose `name` is the driver's.
[[nodiscard]] std::optional<SysDir> find_hwmon(const DrmCard& card);

/// A temperature of hwmon, found by its label ("edge", "mem", "pkg").
struct Thermometer {
  std::optional<double> celsius;
  std::optional<double> critical;   ///< The hardware slows down from here.
  std::optional<double> emergency;  ///< And switches itself off from here.
};
[[nodiscard]] std::optional<Thermometer> find_thermometer(const SysDir& hwmon,
                                                          std::string_view label);
/// The Nth one, whatever its label.
[[nodiscard]] Thermometer read_thermometer(const SysDir& hwmon, int number);

/// True while the device is switched off to save power: most files would wake it.
[[nodiscard]] bool is_asleep(const DrmCard& card);

/// The version of the driver's module, or of the kernel it came with.
[[nodiscard]] std::string driver_version(const sources::Root& root, const std::string& driver);

/// The name from the machine's lists (libdrm, hwdata), else `fallback`.
[[nodiscard]] std::string device_name(const DrmCard& card, std::string fallback);

}  // namespace levee::gpus
