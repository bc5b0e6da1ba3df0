// Wire: what the GPU helper process and the daemon say to each other: one JSON object per line.
// Pure; thread-safe.
//
//   daemon → helper   {"ask":7}                    read every device; 7 numbers the question
//   helper → daemon   {"devices":["GPU-…", …]}     what is there now, in order
//                     {"answer":7,"readings":[…]}  one device and its MIG instances
//                     {"xid":{…}}                  an error report
//                     {"trouble":{…}}              a driver that cannot be used, and why
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/gpu.hpp"
#include "core/snapshot.hpp"
#include "levee/result.hpp"

namespace levee::gpus::wire {

struct Ask {
  std::uint64_t number = 0;

  bool operator==(const Ask&) const = default;
};

struct Devices {
  std::vector<std::string> uuids;

  bool operator==(const Devices&) const = default;
};

struct Answer {
  std::uint64_t number = 0;
  std::vector<GpuReading> readings;  ///< The device first. Never empty.
};

struct Trouble {
  SourceTrouble trouble;
  /// There is no driver of any kind: nothing to ask for a long time.
  bool no_driver = false;
};

using Message = std::variant<Ask, Devices, Answer, GpuXid, Trouble>;

/// One line, with its line feed.
[[nodiscard]] std::string encode(const Message& message);

/// `corrupt` for anything that encode() does not make; `line` is without its line feed.
[[nodiscard]] Result<Message> decode(std::string_view line);

}  // namespace levee::gpus::wire
