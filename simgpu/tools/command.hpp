// What the tools' command lines share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "levee/result.hpp"

namespace levee::simgpu {

inline constexpr int kFailed = 1;
inline constexpr int kWrongUse = 2;

/// Tells an error and returns the exit code: 2 for wrong use.
inline int report(const std::string& program, const Error& error) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), error.message.c_str());
  if (!error.hint.empty()) {
    std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
  }
  return error.code == ErrorCode::invalid_argument ? kWrongUse : kFailed;
}

/// Parses the command line and runs `body`, which returns the exit code.
template <class Body>
int run_command(CLI::App& app, int argc, char** argv, Body body) {
  try {
    app.parse(argc, argv);
    return body();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      return app.exit(error);  // --help
    }
    return report(app.get_name(), {ErrorCode::invalid_argument, error.what(),
                                   app.get_name() + " --help shows every option, with examples"});
  }
}

/// The outermost frame of a tool: whatever escapes `body` is told, and is a failure.
template <class Body>
int run_program(const char* program, Body body) noexcept {
  try {
    return body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
  } catch (...) {
    std::fprintf(stderr, "%s: failed\n", program);
  }
  return kFailed;
}

}  // namespace levee::simgpu
