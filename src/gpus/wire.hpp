// Wire: what the GPU helper process and the daemon say to each other: one JSON object per line.
// Pure; thread-safe.
//
//   daemon → helper   {"ask":7}                    read every device; 7 numbers the question
//   helper → daemon   {"devices":[{…}, …]}         what is there now; after the troubles, if any
//                     {"answer":7,"readings":[…]}  one device and its MIG instances
//                     {"xid":{…}}                  an error report
//                     {"trouble":{…}}              a driver that cannot be used, and why
//
// Instants of the monotonic clock are nanoseconds of CLOCK_MONOTONIC, which both processes share.
// What is attributed later (GpuProcess::identity and what follows it) does not travel.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/gpu.hpp"
#include "core/snapshot.hpp"
#include "levee/result.hpp"

namespace levee::gpus::wire {

/// Bounds of a message. encode() leaves out what is beyond them, decode() refuses it.
inline constexpr std::size_t kLongestLine = std::size_t{4} * 1024 * 1024;
inline constexpr std::size_t kLongestText = 1024;
inline constexpr std::size_t kMostDevices = 256;
inline constexpr std::size_t kMostReadings =
    64;  ///< Of one device; A100 and H100 have 7 instances.
inline constexpr std::size_t kMostProcesses = 4096;
inline constexpr std::size_t kMostReasons = 64;

struct Ask {
  std::uint64_t number = 0;

  bool operator==(const Ask&) const = default;
};

/// Devices in the order of their indices. Troubles told since the previous list hold until the
/// next.
struct Devices {
  std::vector<GpuIdentity> devices;

  bool operator==(const Devices&) const = default;
};

struct Answer {
  std::uint64_t number = 0;
  std::chrono::microseconds took{0};  ///< From the question's arrival in the helper to the answer.
  std::vector<GpuReading> readings;   ///< The device first. Never empty.
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
