// Trace: with LEVEE_SIM_TRACE=FILE, every driver call of every process is a line of that file:
//
//   SECONDS PID TID FUNCTION [gpuN] => RESULT
//
// A test asserts with it which functions a client used. Lines of several processes never mix.
#pragma once

#include <cstdint>

namespace levee::simgpu {

/// Notes a call and its result; costs one comparison when tracing is off. `gpu` below 0: none.
void trace(const char* function, std::int32_t gpu, std::uint32_t result) noexcept;

}  // namespace levee::simgpu
