// Segment: the file that holds the machine, mapped; and Session: its lock, held.
//
// Any number of processes open the same file (named by LEVEE_SIM). The lock is a robust mutex: when
// a process dies with it, the next one repairs what it left and goes on. Segment is thread-safe
// once open; a Session belongs to the thread that made it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

#include "levee/result.hpp"
#include "simgpu/machine/layout.hpp"

namespace levee::simgpu {

/// The environment variable that names the segment.
inline constexpr const char* kSegmentVariable = "LEVEE_SIM";

class Segment {
 public:
  Segment() = default;
  Segment(Segment&& other) noexcept : machine_(std::exchange(other.machine_, nullptr)) {}
  Segment& operator=(Segment&& other) noexcept {
    std::swap(machine_, other.machine_);
    return *this;
  }
  ~Segment();

  /// Makes a machine without GPUs at `path`, which must not exist; only its owner may open it.
  [[nodiscard]] static Result<Segment> create(const std::filesystem::path& path);

  /// Opens an existing machine; refuses files of another layout, size or boot.
  [[nodiscard]] static Result<Segment> open(const std::filesystem::path& path);

  [[nodiscard]] explicit operator bool() const noexcept { return machine_ != nullptr; }

  /// For Session, and for whoever made the machine and is still alone with it.
  [[nodiscard]] Machine& machine() noexcept { return *machine_; }

 private:
  explicit Segment(Machine* machine) noexcept : machine_(machine) {}

  Machine* machine_ = nullptr;
};

/// The lock, held. The machine's time has been brought up to the present: all steps that were due
/// have happened.
class Session {
 public:
  explicit Session(Segment& segment) noexcept;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  [[nodiscard]] Machine& machine() noexcept { return machine_; }
  [[nodiscard]] const Machine& machine() const noexcept { return machine_; }

  /// Time since the machine was created, by its own clock.
  [[nodiscard]] std::uint64_t now() const noexcept { return now_; }

  /// Moves a stepped clock and lets happen what became due.
  void advance(std::uint64_t nanoseconds) noexcept;

  /// Gives the lock up for `nanoseconds` of real time, then takes it again.
  void sleep(std::uint64_t nanoseconds) noexcept;

  [[nodiscard]] std::int64_t value(const Gpu& gpu, Key key) const noexcept;

 private:
  void lock() noexcept;
  void unlock() noexcept;

  Machine& machine_;
  std::uint64_t now_ = 0;
};

/// The machine's own time, without letting anything happen.
[[nodiscard]] std::uint64_t time_of(const Machine& machine) noexcept;

/// CLOCK_MONOTONIC in nanoseconds.
[[nodiscard]] std::uint64_t monotonic_ns() noexcept;

}  // namespace levee::simgpu
