// The question of `levee fit`, as options of a command, or as one text within another command's
// options.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "api/estimate_request.hpp"
#include "cli/ledger.hpp"
#include "levee/result.hpp"

namespace levee::cli {

/// An option whose value goes into the question as it is.
struct FitOption {
  const char* option;
  const char* member;
  const char* type;
  const char* help;
  enum class Kind { text, number } kind = Kind::text;
  std::optional<std::string> value = {};
};

[[nodiscard]] std::vector<FitOption> all_fit_options();

struct FitWish {
  std::string model;  ///< A name or a path.
  std::optional<std::string> facts;
  std::vector<FitOption> options = all_fit_options();
  bool no_flash = false;
  bool no_graphs = false;
  bool chunked_loss = false;
  bool compiled = false;
};

void add_fit_wish(CLI::App& command, FitWish& wish);

/// What `levee fit` would be called with: "llama-3-8b --framework vllm". invalid_argument for
/// options that it has not.
[[nodiscard]] Result<FitWish> parse_fit_wish(const std::string& text);

/// Reads the model's files, if it is named by them.
[[nodiscard]] Result<api::EstimateQuestion> to_question(const FitWish& wish);

/// Corrects the question by what jobs have taught; a ledger that cannot tell has taught nothing.
void learn_from(Ledger& ledger, api::EstimateQuestion& question);

/// Adds to a request for a lease what `levee fit` says of its model, and so many GPUs as share it.
/// Returns the estimate.
[[nodiscard]] Result<Json> add_estimate(Ledger& ledger, const std::string& fit, Json& body);

}  // namespace levee::cli
