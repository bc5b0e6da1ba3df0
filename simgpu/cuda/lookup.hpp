// The functions that only answer "not supported", for look-ups; made from exports/cuda-*.txt.
#pragma once

namespace levee::simgpu {

struct StubEntry {
  const char* name;
  void* function;
};

}  // namespace levee::simgpu

/// Ends with an entry without a name.
extern "C" const levee::simgpu::StubEntry levee_sim_stubs[];
