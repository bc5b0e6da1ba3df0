// Prediction: what was said of a job's GPU memory before it began, and what came of it. Plain
// values. All of them are of one device: of the one that holds most.
#pragma once

#include <sys/types.h>

#include <string>

#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee {

struct Prediction {
  std::string model;
  std::string framework;  ///< "vllm", "llama.cpp", "transformers".
  bool is_training = false;
  /// The framework fills what is free with its cache: its peak tells nothing of what it needed.
  bool fills_memory = false;
  Bytes fixed;  ///< Expected of what follows from the model and its settings: weights, cache.
  Bytes soft;   ///< Expected of all else by the formulas, before any correction.
  Bytes low;    ///< The total, as it was told.
  Bytes expected;
  Bytes high;

  bool operator==(const Prediction&) const = default;
};

/// A job that is over.
struct JobRecord {
  std::string lease;
  uid_t uid = 0;
  WallTime ended;
  Prediction predicted;
  Bytes peak;  ///< The most of any sample, by the driver's figures of its processes.

  bool operator==(const JobRecord&) const = default;
};

}  // namespace levee
