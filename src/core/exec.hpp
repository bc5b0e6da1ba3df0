// What starting a program takes, whoever starts it: the array that exec wants, and words for the
// errno that it gives back. Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "levee/result.hpp"

namespace levee {

/// The null-terminated array of exec and posix_spawn. It points into `texts`, which must outlive it
/// unchanged.
[[nodiscard]] std::vector<char*> exec_pointers(const std::vector<std::string>& texts);

/// Why `program` could not be started: `not_found` when there is no such program,
/// `permission_denied` when it cannot be executed, `invalid_argument` when its arguments are too
/// long for the kernel, else `resource_exhausted`.
[[nodiscard]] Error exec_error(const std::string& program, int error);

}  // namespace levee
