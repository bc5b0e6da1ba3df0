#include <array>
#include <string>

#include "simgpu/machine/keys.hpp"
#include "simgpu/scenario/items.hpp"

namespace levee::simgpu {
namespace {

// clang-format off
constexpr std::array kItems{
    ItemInfo{"xid", false, true, "xid N", "an XID event with this number"},
    ItemInfo{"unplug", false, true, "unplug", "the GPU is gone: the count falls, indices shift, old handles answer 15"},
    ItemInfo{"replug", false, true, "replug", "the GPU is back, with new handles"},
    ItemInfo{"recover", false, true, "recover", "ends `lost` and `reset-required`"},
    ItemInfo{"foreign", false, true, "foreign pid=P mem=M [kind=compute|graphics|mps] [sm=PERCENT] [mig=I], or foreign pid=P gone", "a holder of memory that is no process of this machine"},
    ItemInfo{"nvlink", false, true, "nvlink N down|up", "one NVLink fails or is back"},
    ItemInfo{"free-jump", false, true, "free-jump M", "right after the next memory query free memory changes by M, such as -2GiB"},
    ItemInfo{"slow", true, true, "slow FUNCTION DURATION [after N calls] [for N calls]", "calls take that much longer, in real time"},
    ItemInfo{"hang", true, true, "hang FUNCTION [after N calls]", "calls do not come back until it ends"},
    ItemInfo{"return", true, true, "return R from FUNCTION [after N calls] [for N calls]", "calls answer R and do nothing; the N calls before are spared"},
    ItemInfo{"clear", true, true, "clear", "ends slow, hang, return, lost and reset-required (driver: of all GPUs, and init)"},
    ItemInfo{"init", true, false, "init R", "what nvmlInit answers: 9 no driver, 17 blocked, 18 version mismatch, 999, or 0; cuInit answers to match"},
    ItemInfo{"pid-offset", true, false, "pid-offset N", "added to every pid the driver reports, as if it counted in another namespace"},
    ItemInfo{"die-inside-lock", true, false, "die-inside-lock N", "for tests of the simulator: whoever passes the N-th point of an allocation is killed with the lock held"},
};
// clang-format on

}  // namespace

const ItemInfo* find_item(std::string_view word) noexcept {
  for (const ItemInfo& item : kItems) {
    if (item.word == word) {
      return &item;
    }
  }
  return nullptr;
}

std::span<const ItemInfo> items() noexcept { return kItems; }

std::string words_known(bool of_driver) {
  std::string words;
  if (!of_driver) {
    for (const KeyInfo& key : keys()) {
      words += std::string(key.word) + " ";
    }
  }
  for (const ItemInfo& item : kItems) {
    if (of_driver ? item.is_of_driver : item.is_of_gpu) {
      words += std::string(item.word) + " ";
    }
  }
  words.pop_back();
  return words;
}

}  // namespace levee::simgpu
