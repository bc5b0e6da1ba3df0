// XID: what the error numbers of the NVIDIA driver mean for whoever uses the machine. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace levee::policy {

/// A short meaning of the more frequent numbers (NVIDIA, "XID Errors"); "see the vendor's list" for
/// others.
[[nodiscard]] constexpr std::string_view xid_meaning(std::uint64_t code) noexcept {
  struct Row {
    std::uint64_t code;
    std::string_view meaning;
  };
  constexpr std::array kRows{
      Row{13, "a kernel accessed memory it must not; usually the program's fault"},
      Row{31, "a kernel touched an unmapped page; usually the program's fault"},
      Row{43, "the GPU stopped a program that had failed"},
      Row{45, "a program was stopped after an earlier error"},
      Row{48, "an uncorrectable memory error; the GPU needs a reset"},
      Row{61, "the GPU's controller stopped; the GPU needs a reset"},
      Row{62, "the GPU's controller halted; the GPU needs a reset"},
      Row{63, "a memory row was remapped or a page retired"},
      Row{64, "remapping a memory row failed; replace the GPU"},
      Row{74, "an NVLink error; check the link and the other GPU"},
      Row{79, "the GPU fell off the bus; check power and slot, then reboot"},
      Row{92, "many correctable memory errors"},
      Row{94, "an uncorrectable memory error that hit one program only"},
      Row{95, "an uncorrectable memory error; the GPU needs a reset"},
      Row{119, "the GPU's system processor does not answer; reset it"},
      Row{120, "the GPU's system processor failed; reset it"},
  };
  for (const Row& row : kRows) {
    if (row.code == code) {
      return row.meaning;
    }
  }
  return "see the vendor's list of XID numbers";
}

}  // namespace levee::policy
