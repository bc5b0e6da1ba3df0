// GpuSource: the GPUs of the machine, from a helper process that may hang, crash or be killed
// without harm to the daemon.
//
// The helper (`levee gpu-helper`, gpus/helper.hpp) reads each device on a thread of its own.
// begin() asks for a new reading of every device and returns at once; finish() takes what has
// arrived. A device that does not answer keeps its last reading, whose age grows; nobody waits for
// it. The helper is replaced, with a back-off from 1 s to a minute, when it ends, when its driver
// must be loaded anew (an upgrade), or when no device has answered for `hung_after`. A helper that
// not even SIGKILL ends, because it sleeps in the driver, is left behind; when several have been,
// no further one is started until one of them ends. One owner thread: the helper dies with it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/gpu.hpp"
#include "core/snapshot.hpp"
#include "core/time.hpp"

namespace levee::gpus {

struct GpuScan {
  std::vector<GpuReading> gpus;  ///< By index; MIG instances after their device.
  std::vector<GpuXid> xids;      ///< New since the last scan.
  std::vector<SourceTrouble> troubles;
  bool is_known =
      false;  ///< Whether it was ever said which GPUs there are, or that there are none.
};

class GpuSource {
 public:
  struct Options {
    /// What to start, e.g. {"/proc/self/exe", "gpu-helper"}; empty: there are no GPUs to look for.
    std::vector<std::string> helper;
    std::chrono::milliseconds hung_after{10'000};
    /// Until it has listed the devices a helper has longer: without persistence mode some drivers
    /// take seconds for each device.
    std::chrono::milliseconds start_within{60'000};
    std::chrono::milliseconds first_back_off{1'000};
    std::chrono::milliseconds longest_back_off{60'000};
    /// Where the machine has no GPU driver at all, it is looked for again after this long.
    std::chrono::milliseconds look_again{600'000};
  };

  explicit GpuSource(Options options);
  ~GpuSource();
  GpuSource(GpuSource&&) noexcept;
  GpuSource& operator=(GpuSource&&) noexcept;

  /// Asks the helper for a reading of every device; starts the helper when that is due.
  void begin(MonoTime now);

  /// What is known now. Waits until `deadline` at most, and only for devices that answered in time
  /// before; `deadline` ≤ `now` waits for nothing.
  [[nodiscard]] GpuScan finish(MonoTime now, MonoTime deadline);

  /// For one look at the machine: waits until every device has answered, or `deadline`.
  [[nodiscard]] GpuScan finish_all(MonoTime now, MonoTime deadline);

  /// Looks for drivers again at the next begin(), whatever the back-off says.
  void look_again();

  /// Ends the helper; the next begin() starts another. Idempotent.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::gpus
