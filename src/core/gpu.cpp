#include "core/gpu.hpp"

#include <array>
#include <utility>

namespace levee {
namespace {

constexpr std::array kVendors{std::pair{GpuVendor::nvidia, std::string_view{"nvidia"}},
                              std::pair{GpuVendor::amd, std::string_view{"amd"}},
                              std::pair{GpuVendor::intel, std::string_view{"intel"}}};

constexpr std::array kConditions{
    std::pair{GpuCondition::ok, std::string_view{"ok"}},
    std::pair{GpuCondition::lost, std::string_view{"lost"}},
    std::pair{GpuCondition::reset_required, std::string_view{"reset_required"}},
    std::pair{GpuCondition::unreadable, std::string_view{"unreadable"}}};

template <class Table, class Value>
std::string_view name_in(const Table& table, Value value) noexcept {
  for (const auto& [known, name] : table) {
    if (known == value) {
      return name;
    }
  }
  return "unknown";
}

template <class Value, class Table>
std::optional<Value> value_in(const Table& table, std::string_view text) noexcept {
  for (const auto& [value, name] : table) {
    if (name == text) {
      return value;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(GpuVendor vendor) noexcept { return name_in(kVendors, vendor); }

std::optional<GpuVendor> parse_gpu_vendor(std::string_view text) noexcept {
  return value_in<GpuVendor>(kVendors, text);
}

std::string_view to_string(GpuCondition condition) noexcept {
  return name_in(kConditions, condition);
}

std::optional<GpuCondition> parse_gpu_condition(std::string_view text) noexcept {
  return value_in<GpuCondition>(kConditions, text);
}

}  // namespace levee
