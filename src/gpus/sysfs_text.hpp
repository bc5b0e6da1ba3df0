// Pure parsers of the texts by which sysfs and the machine's name lists describe a GPU. Bytes in,
// values out; none throws or reads outside its input. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace levee::gpus {

/// The `uevent` file of a PCI device.
struct PciUevent {
  std::string driver;         ///< "amdgpu"; empty when no driver is bound.
  std::string slot;           ///< "0000:03:00.0".
  std::uint16_t vendor = 0;   ///< 0x1002.
  std::uint16_t product = 0;  ///< 0x744c.
};
/// Nothing without a slot and ids: no PCI device.
[[nodiscard]] std::optional<PciUevent> parse_uevent(std::string_view text);

/// A clock of amdgpu's pp_dpm_sclk or pp_dpm_mclk ("1: 2100Mhz *").
struct DpmClock {
  std::optional<double> current_mhz;  ///< The marked level, if exactly one is marked.
  std::optional<double> max_mhz;      ///< The highest level.
};
[[nodiscard]] DpmClock parse_dpm_clock(std::string_view text);

/// amdgpu's ras/umc_err_count: memory errors since the driver was loaded.
struct RasErrors {
  std::optional<std::uint64_t> corrected;
  std::optional<std::uint64_t> uncorrected;
};
[[nodiscard]] RasErrors parse_ras_errors(std::string_view text);

/// The marketing name in libdrm's amdgpu.ids: "744C,\tC8,\tAMD Radeon RX 7900 XTX".
[[nodiscard]] std::optional<std::string> find_in_amdgpu_ids(std::string_view text,
                                                            std::uint16_t product,
                                                            std::uint8_t revision);

/// The name in pci.ids; of "DG2 [Arc A770]" the part in brackets, which people know.
[[nodiscard]] std::optional<std::string> find_in_pci_ids(std::string_view text,
                                                         std::uint16_t vendor,
                                                         std::uint16_t product);

/// A node of KFD's topology (properties).
struct KfdNode {
  std::string slot;  ///< PCI slot of its device, "0000:03:00.0".
};
/// Nothing for nodes that are no GPU on a PCI bus. The partitions of one GPU are told by the
/// function number, which the slot leaves at 0.
[[nodiscard]] std::optional<KfdNode> parse_kfd_node(std::string_view text);

}  // namespace levee::gpus
