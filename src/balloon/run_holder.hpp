// The holder process: it holds memory of one GPU for its parent, who speaks to it over a socket
// (balloon/holder_wire.hpp). It ends, and the driver frees what it held, when the parent does, when
// the parent closes the socket, and when it is killed; so killing it is the quickest release, and
// the only one when the driver hangs. CUDA must not be used by the calling process before.
#pragma once

#include <string>

#include "balloon/driver.hpp"

namespace levee::balloon {

/// Serves the socket `line` until the process ends; the exit code when it cannot even begin, which
/// the parent has been told. `gpu` is a UUID or index. Ends the process by itself in all other
/// cases: a thread that hangs in the driver cannot be waited for.
[[nodiscard]] int run_holder(int line, const std::string& gpu,
                             const Driver::Libraries& libraries = {});

/// Why a holder must not use a GPU in this compute mode (cudaComputeMode), if it must not. With MPS
/// several processes may, whatever the mode.
[[nodiscard]] Result<void> check_compute_mode(int gpu_id, int mode, bool has_mps);

}  // namespace levee::balloon
