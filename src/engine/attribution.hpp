// Attribution: who the processes on the GPUs are, seen from the host. A driver knows only pids.
#pragma once

#include <vector>

#include "api/balloon_port.hpp"
#include "core/gpu.hpp"
#include "core/time.hpp"
#include "sources/identifier.hpp"

namespace levee::engine {

/// Completes each process of `gpus` with its identity and its host memory. A pid that
/// cannot be seen from here stays a number.
void attribute(std::vector<GpuReading>& gpus, sources::Identifier& identifier, MonoTime now);

/// Notes in each of `gpus` what balloons hold there.
void note_balloons(std::vector<GpuReading>& gpus, const std::vector<api::Holding>& holdings);

}  // namespace levee::engine
