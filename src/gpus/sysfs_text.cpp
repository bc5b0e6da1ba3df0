#include "gpus/sysfs_text.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "sources/fields.hpp"

namespace levee::gpus {
namespace {

using sources::take_line;
using sources::take_until;
using sources::take_word;
using sources::to_number;
using sources::to_real;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

template <class Number>
std::optional<Number> hexadecimal(std::string_view text) {
  return to_number<Number>(text, 16);
}

}  // namespace

std::optional<PciUevent> parse_uevent(std::string_view text) {
  PciUevent device;
  bool has_id = false;
  while (!text.empty()) {
    std::string_view value = take_line(text);
    const std::string_view key = take_until(value, '=');
    if (key == "DRIVER") {
      device.driver = value;
    } else if (key == "PCI_SLOT_NAME") {
      device.slot = value;
    } else if (key == "PCI_ID") {  // "1002:744C"
      const auto vendor = hexadecimal<std::uint16_t>(take_until(value, ':'));
      const auto product = hexadecimal<std::uint16_t>(value);
      has_id = vendor && product;
      device.vendor = vendor.value_or(0);
      device.product = product.value_or(0);
    }
  }
  return has_id && !device.slot.empty() ? std::optional(std::move(device)) : std::nullopt;
}

DpmClock parse_dpm_clock(std::string_view text) {
  constexpr std::string_view kUnit = "Mhz";
  DpmClock clock;
  int marked = 0;
  while (!text.empty()) {
    // "1: 2100Mhz *"; RDNA in deep sleep adds "S: 19Mhz *".
    std::string_view line = take_line(text);
    static_cast<void>(take_until(line, ':'));
    std::string_view word = take_word(line);
    if (!word.ends_with(kUnit)) {
      continue;
    }
    word.remove_suffix(kUnit.size());
    const auto mhz = to_real(word);
    if (!mhz) {
      continue;
    }
    clock.max_mhz = std::max(clock.max_mhz.value_or(0), *mhz);
    if (take_word(line) == "*") {
      clock.current_mhz = mhz;
      ++marked;
    }
  }
  // A forced level marks all of them.
  if (marked != 1) {
    clock.current_mhz.reset();
  }
  return clock;
}

RasErrors parse_ras_errors(std::string_view text) {
  RasErrors errors;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view key = take_until(line, ':');
    const auto count = to_number<std::uint64_t>(take_word(line));
    if (key == "ue") {
      errors.uncorrected = count;
    } else if (key == "ce") {
      errors.corrected = count;
    }
  }
  return errors;
}

std::optional<std::string> find_in_amdgpu_ids(std::string_view text, std::uint16_t product,
                                              std::uint8_t revision) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (line.starts_with('#')) {
      continue;
    }
    const auto its_product = hexadecimal<std::uint16_t>(trimmed(take_until(line, ',')));
    const auto its_revision = hexadecimal<std::uint8_t>(trimmed(take_until(line, ',')));
    const std::string_view name = trimmed(line);
    if (its_product == product && its_revision == revision && !name.empty()) {
      return std::string(name);
    }
  }
  return std::nullopt;
}

std::optional<std::string> find_in_pci_ids(std::string_view text, std::uint16_t vendor,
                                           std::uint16_t product) {
  bool is_in_vendor = false;
  while (!text.empty()) {
    // "8086  Intel Corporation", "\t56a0  DG2 [Arc A770]", "\t\t8086 1020  a subsystem"
    std::string_view line = take_line(text);
    if (line.empty() || line.starts_with('#') || line.starts_with("\t\t")) {
      continue;
    }
    const bool is_device = line.starts_with('\t');
    const auto id = hexadecimal<std::uint16_t>(take_word(line));
    if (!is_device) {
      is_in_vendor = id == vendor;
    } else if (is_in_vendor && id == product) {
      std::string_view name = trimmed(line);
      const std::size_t open = name.find('[');
      const std::size_t close = name.find(']', open == std::string_view::npos ? 0 : open);
      if (open != std::string_view::npos && close != std::string_view::npos && open + 1 < close) {
        name = name.substr(open + 1, close - open - 1);
      }
      return name.empty() ? std::nullopt : std::optional<std::string>(name);
    }
  }
  return std::nullopt;
}

std::optional<KfdNode> parse_kfd_node(std::string_view text) {
  std::optional<std::uint32_t> location;
  std::uint32_t domain = 0;
  bool has_cores = false;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view key = take_word(line);
    const auto value = to_number<std::uint64_t>(take_word(line));
    if (key == "location_id" && value) {
      location = static_cast<std::uint32_t>(*value & 0xFFFFU);
    } else if (key == "domain" && value) {
      domain = static_cast<std::uint32_t>(*value & 0xFFFFFFFFU);
    } else if (key == "simd_count" && value) {
      has_cores = *value > 0;
    }
  }
  if (!location || !has_cores) {
    return std::nullopt;
  }
  // Bus and device as the kernel numbers them: bbbbbbbb dddddfff.
  return KfdNode{
      fmt::format("{:04x}:{:02x}:{:02x}.0", domain, *location >> 8U, (*location >> 3U) & 0x1FU)};
}

}  // namespace levee::gpus
