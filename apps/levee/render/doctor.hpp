// `levee doctor` as text and JSON. Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "cli/doctor.hpp"
#include "cli/json.hpp"
#include "render/style.hpp"

namespace levee::cli {

[[nodiscard]] std::string_view to_string(Grade grade) noexcept;

/// True when nothing is graded fail.
[[nodiscard]] bool is_well(const std::vector<Check>& checks);

[[nodiscard]] std::string render_doctor(const std::vector<Check>& checks, const Style& style);
[[nodiscard]] Json doctor_json(const std::vector<Check>& checks);

}  // namespace levee::cli
