// levee fit: how much memory will a job take, term by term, and what would fit?
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/fit_question.hpp"
#include "cli/ledger.hpp"
#include "cli/output.hpp"
#include "render/fit.hpp"

namespace levee::cli {
namespace {

struct Options {
  Connection connection;
  StyleWish style;
  std::optional<std::string> config;
  FitWish wish;
  std::optional<std::string> gpu;
  bool explain = false;
  bool json = false;
  bool record = false;
  bool forget = false;
};

/// What may still be promised of the GPU that is named, or of the one with most; absent: there is
/// none.
Result<std::optional<Bytes>> free_memory(const Options& options, Ledger& ledger) {
  const auto state = ledger.call("GET", "/api/v1/leases");
  if (!state) {
    return std::unexpected(state.error());
  }
  std::optional<Bytes> most;
  for (const Json& gpu : list_at(*state, "gpus")) {
    const auto available = number_at(gpu, "available_bytes").value_or(0);
    const auto index = number_at(gpu, "gpu_id");
    const bool is_named = !options.gpu || text_at(gpu, "uuid") == options.gpu ||
                          (index && fmt::format("{:.0f}", *index) == *options.gpu);
    if (is_named) {
      most = std::max(most.value_or(Bytes{}), Bytes{static_cast<std::uint64_t>(available)});
    }
  }
  if (options.gpu && !most) {
    return fail(ErrorCode::invalid_argument, fmt::format("there is no GPU \"{}\"", *options.gpu),
                "`levee lease list` shows which there are; or give --gpu-mem");
  }
  return most;
}

/// What is free, and what jobs have taught, as far as the ledger tells. A GPU that is named must be
/// there.
Result<std::optional<Bytes>> look_around(const Options& options, const Surroundings& surroundings,
                                         api::EstimateQuestion& question) {
  auto ledger = Ledger::open(options.connection, options.config, surroundings);
  auto free = ledger ? free_memory(options, *ledger)
                     : Result<std::optional<Bytes>>(std::unexpected(ledger.error()));
  if (!free && options.gpu) {
    return free;
  }
  if (!free) {
    question.remarks.push_back(fmt::format("what is free is not known: {}", free.error().message));
    return std::optional<Bytes>{};
  }
  learn_from(*ledger, question);
  return free;
}

int answer(const Options& options, const Surroundings& surroundings) {
  if (options.wish.model.empty() && !options.wish.facts) {
    return complain({ErrorCode::invalid_argument, "no model is named",
                     "name one, such as llama-3-8b, or give the path of its files"});
  }
  auto question = to_question(options.wish);
  if (!question) {
    return complain(question.error(), kMisuse);
  }
  std::optional<Bytes> free;
  if (!question->gpu_memory) {
    const auto found = look_around(options, surroundings, *question);
    if (!found) {
      return complain(found.error());
    }
    free = *found;
  }
  const Json json = api::estimate_json(*question, free);
  const int exit_code = text_at(json, "verdict") == "does_not_fit" ? kFailed : kOk;
  return print(options.json
                   ? pretty(json)
                   : render_fit(json, options.explain, style_for(options.style, surroundings)),
               exit_code);
}

/// How jobs went, or no more of it.
int keep_or_forget(const Options& options, const Surroundings& surroundings) {
  auto ledger = Ledger::open(options.connection, options.config, surroundings);
  const auto record =
      ledger ? ledger->call(options.forget ? "DELETE" : "GET", "/api/v1/estimate/record")
             : std::unexpected(std::move(ledger.error()));
  if (!record) {
    return complain(record.error());
  }
  if (options.json) {
    return print(pretty(*record), kOk);
  }
  return print(options.forget ? "forgotten: estimates are by the formulas alone\n"
                              : render_record(*record, style_for(options.style, surroundings)),
               kOk);
}

int run(const Options& options, const Surroundings& surroundings) {
  if ((options.record || options.forget) && !options.wish.model.empty()) {
    return complain({ErrorCode::invalid_argument,
                     fmt::format("\"{}\" is named beside --{}", options.wish.model,
                                 options.record ? "record" : "forget"),
                     "the record is of all models: leave the name out"});
  }
  return options.record || options.forget ? keep_or_forget(options, surroundings)
                                          : answer(options, surroundings);
}

}  // namespace

void declare_fit(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      root.add_subcommand("fit", "How much memory will a model take, and what would fit?");
  add_fit_wish(*command, options->wish);
  command->add_option("--gpu", options->gpu, "Judge by what is free there")
      ->type_name("INDEX|UUID");
  command->add_flag("--explain", options->explain, "Say why, instead of bars");
  CLI::Option* const record = command->add_flag(
      "--record", options->record, "How jobs of `levee run --fit` went beside what was said");
  command->add_flag("--forget", options->forget, "Forget that, and estimate by formulas alone")
      ->excludes(record);
  command->add_flag("--json", options->json, "As JSON");
  add_connection(*command, options->connection);
  add_config_file(*command, options->config);
  add_style(*command, options->style);
  add_footer(*command,
             "levee fit meta-llama/Llama-3.1-8B --framework vllm --context 32768\n"
             "levee fit ./model.gguf --framework llama.cpp --kv-dtype q8_0 --gpu 0\n"
             "levee fit mistral-7b --train adam --zero 3 --ranks 8 --gpu-mem 80GB --explain\n"
             "levee fit --record",
             "0 it fits, also if only just, or there is nothing to judge by; 1 it does not fit; "
             "2 wrong use.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
