// SpeedFile: how fast work should run, for programs that can read a file and nothing else: a shell
// script, a job in a container.
//
//     host 1.0 optimal
//     0 0.8 normal GPU-5c1e…
//
// One line per device: index (or "host"), speed multiplier, state, UUID. The file is replaced as a
// whole, so a reader never sees half of it; it is written only when it changes, and removed when
// the daemon ends. One owner thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "levee/level.hpp"
#include "levee/result.hpp"

namespace levee::actions {

struct SpeedLine {
  std::string device;  ///< "host" or the index.
  double multiplier = 1.0;
  Level level = Level::unavailable;
  std::string uuid;  ///< Empty for the host.
};

/// The file's content; multipliers with one decimal.
[[nodiscard]] std::string speed_text(const std::vector<SpeedLine>& lines);

class SpeedFile {
 public:
  explicit SpeedFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~SpeedFile() { remove(); }
  SpeedFile(const SpeedFile&) = delete;
  SpeedFile& operator=(const SpeedFile&) = delete;

  /// Makes the file say `lines`. After a failure the next call tries again.
  [[nodiscard]] Result<void> write(const std::vector<SpeedLine>& lines);

  void remove() noexcept;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  std::string written_;
};

/// Where the file lies for a daemon on `socket`: "/run/levee/levee.sock" →
/// "/run/levee/levee.speed".
[[nodiscard]] std::filesystem::path speed_path(std::filesystem::path socket);

}  // namespace levee::actions
