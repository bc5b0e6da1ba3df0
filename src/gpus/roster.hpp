// Roster: which devices there are, what each said last, and whom it is worth waiting for. Pure
// bookkeeping: no process, no clock. Not thread-safe.
//
// A row belongs to a UUID and stays for good: a device that falls off keeps its index and its last
// figures. A device is worth waiting for when it answered the previous question, and fast enough
// for the waiting to have had an end.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/gpu.hpp"
#include "core/time.hpp"
#include "gpus/wire.hpp"

namespace levee::gpus {

class Roster {
 public:
  /// The devices that are there now. A new one gets the index it comes with, or the next free one.
  void list(const std::vector<GpuIdentity>& devices, MonoTime now);

  /// Question `number` is out. Numbers only rise.
  void asked(std::uint64_t number) noexcept { question_ = number; }

  /// What a device said. Answers of devices that are not listed are ignored.
  void take(wire::Answer answer);

  /// True while a listed device that is expected to answer within `patience` has not.
  [[nodiscard]] bool awaits_within(std::chrono::nanoseconds patience) const;
  /// True while any listed device has not answered the question.
  [[nodiscard]] bool awaits_any() const;

  /// True when there is nobody to ask.
  [[nodiscard]] bool is_empty() const;

  /// Every device that is known, by index, its MIG instances after it. A device that has been
  /// listed for `silence` and never answered shows as unreadable.
  [[nodiscard]] std::vector<GpuReading> rows(MonoTime now, std::chrono::milliseconds silence) const;

 private:
  struct Row {
    std::shared_ptr<const GpuIdentity> identity;  ///< With the index of this row.
    bool listed = true;
    MonoTime listed_at;
    std::uint64_t answered = 0;  ///< The last question it answered; 0: none.
    std::chrono::microseconds took{0};
    std::vector<GpuReading> readings;  ///< The last figures; empty until the first answer.
  };

  [[nodiscard]] int free_index(int wanted) const;
  static void adopt(Row& row, std::vector<GpuReading> readings);

  std::map<std::string, Row, std::less<>> rows_;  ///< By UUID.
  std::uint64_t question_ = 0;
};

}  // namespace levee::gpus
