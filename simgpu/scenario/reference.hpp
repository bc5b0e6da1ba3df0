// The reference of the scenario language, as docs/simulator.md carries it.
#pragma once

#include <string>

namespace levee::simgpu {

/// Markdown tables of GPU properties, keys and items, made from the tables the parser goes by.
[[nodiscard]] std::string reference_markdown();

}  // namespace levee::simgpu
