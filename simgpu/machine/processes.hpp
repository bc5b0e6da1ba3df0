// Processes: who uses the machine through libcuda, one slot each, and who of them is gone.
//
// A slot belongs to a pid and its start time. Nobody is told when a process dies, so whoever is
// about to count looks: cheaply (is there such a pid?) before every memory query, thoroughly
// (start time, zombies; 8 µs a process) when it lists processes, is about to refuse memory, lacks a
// slot, or finds the lock's owner dead. Called with the lock.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "simgpu/machine/layout.hpp"

namespace levee::simgpu {

enum class Look : std::uint8_t { quick, thorough };

/// Gives up the slots of processes that are gone. A quick look becomes a thorough one when the
/// last thorough one is more than 10 ms of real time ago.
void sweep_processes(Machine& machine, Look look) noexcept;

/// This process's slot, a new one if it has none; nullptr when all are taken by the living.
[[nodiscard]] Process* claim_process(Machine& machine) noexcept;

/// Gives a slot up with everything it holds.
void clear_process(Machine& machine, Process& process) noexcept;

/// For tests of recovery: kills this process, lock held, when the scenario's countdown ends here.
void death_point(Machine& machine) noexcept;

}  // namespace levee::simgpu
