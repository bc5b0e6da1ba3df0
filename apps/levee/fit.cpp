// levee fit: how much memory will a job take, term by term, and what would fit?
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <limits>

#include "api/estimate_request.hpp"
#include "cli/ledger.hpp"
#include "cli/output.hpp"
#include "cli/time_text.hpp"
#include "models/find_facts.hpp"
#include "render/fit.hpp"

namespace levee::cli {
namespace {

/// An option whose value goes into the question as it is.
struct Wish {
  const char* option;
  const char* member;
  const char* type;
  const char* help;
  enum class Kind { text, number } kind = Kind::text;
  std::optional<std::string> value = {};
};

std::vector<Wish> all_wishes() {
  using enum Wish::Kind;
  return {
      {"--framework", "framework", "NAME", "vllm, llama.cpp or transformers"},
      {"--framework-version", "version", "X.Y", "Of the framework: 0.19"},
      {"--context", "context", "TOKENS", "Of one sequence, generated ones included", number},
      {"--batch", "batch", "N", "Sequences at a time (1)", number},
      {"--quant", "quant", "FORMAT", "Of weights: bf16, fp8, int4, nf4, Q4_K_M, …"},
      {"--kv-dtype", "kv_dtype", "TYPE", "Of the cache: auto, fp8, q8_0, q8_0/f16 (keys/values)"},
      {"--tp", "tp", "N", "GPUs that share each tensor", number},
      {"--pp", "pp", "N", "GPUs that share the layers", number},
      {"--ubatch", "ubatch", "TOKENS", "llama.cpp's micro batch (512)", number},
      {"--batched-tokens", "batched_tokens", "N", "vLLM's max_num_batched_tokens (8192)", number},
      {"--sequences", "sequences", "N", "vLLM's max_num_seqs (1024)", number},
      {"--block", "block", "TOKENS", "vLLM's cache block (16)", number},
      {"--train", "train", "OPTIMIZER", "It learns: adam, adam8bit, sgd, momentum"},
      {"--precision", "precision", "NAME", "Of training: fp32, bf16, fp16, bf16-pure"},
      {"--recompute", "recompute", "WHAT", "Activations: none, selective, full"},
      {"--zero", "zero", "STAGE", "ZeRO 0 to 3; FSDP is 3", number},
      {"--ranks", "ranks", "N", "Data-parallel processes", number},
      {"--lora-rank", "lora_rank", "N", "Only adapters of queries and values learn", number},
      {"--trainable", "trainable", "N", "So many values of adapters learn", number},
      {"--pool", "pool", "SIZE", "So many bytes of vLLM's cache: how many tokens?"},
      {"--gpu-mem", "gpu_memory", "SIZE", "Judge by this much free memory: 24GB"}};
}

struct Options {
  Connection connection;
  StyleWish style;
  std::optional<std::string> config;
  std::string model;
  std::optional<std::string> facts;
  std::optional<std::string> gpu;
  std::vector<Wish> wishes = all_wishes();
  bool no_flash = false;
  bool no_graphs = false;
  bool chunked_loss = false;
  bool compiled = false;
  bool explain = false;
  bool json = false;
};

Result<Json> body_of(const Options& options) {
  Json body{{"model", options.model}};
  for (const Wish& wish : options.wishes) {
    if (!wish.value) {
      continue;
    }
    if (wish.kind == Wish::Kind::text) {
      body[wish.member] = *wish.value;
      continue;
    }
    const auto number =
        parse_count(*wish.value, wish.option, 0, std::numeric_limits<std::int64_t>::max());
    if (!number) {
      return std::unexpected(number.error());
    }
    body[wish.member] = *number;
  }
  if (options.no_flash) {
    body["flash_attention"] = false;
  }
  if (options.no_graphs) {
    body["graphs"] = false;
  }
  if (options.chunked_loss) {
    body["chunked_loss"] = true;
  }
  if (options.compiled) {
    body["compiled"] = true;
  }
  return body;
}

/// Facts of a file or folder; nothing where the model is given by name.
Result<std::optional<models::Configured>> local_facts(const Options& options) {
  const std::string& path = options.facts ? *options.facts : options.model;
  std::error_code ignored;
  if (!options.facts && !std::filesystem::exists(path, ignored)) {
    return std::nullopt;
  }
  auto found = models::facts_from_path(path);
  if (!found) {
    return std::unexpected(std::move(found.error()));
  }
  return std::optional(std::move(*found));
}

/// What may still be promised of the GPU that is named, or of the one with most.
/// `remarks` hear why nobody knows.
Result<std::optional<Bytes>> free_memory(const Options& options, const Surroundings& surroundings,
                                         std::vector<std::string>& remarks) {
  auto ledger = Ledger::open(options.connection, options.config, surroundings);
  const auto state =
      ledger ? ledger->call("GET", "/api/v1/leases") : std::unexpected(std::move(ledger.error()));
  if (!state && options.gpu) {
    return std::unexpected(state.error());
  }
  if (!state) {
    remarks.push_back(fmt::format("what is free is not known: {}", state.error().message));
    return std::optional<Bytes>{};
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

int run(const Options& options, const Surroundings& surroundings) {
  const auto body = body_of(options);
  if (!body) {
    return complain(body.error());
  }
  const auto local = local_facts(options);
  if (!local) {
    return complain(local.error(), kMisuse);
  }
  auto question =
      api::estimate_question(*body, *local ? std::optional((*local)->facts) : std::nullopt);
  if (!question) {
    return question.error().code == ErrorCode::not_found ? complain(question.error(), kMisuse)
                                                         : complain(question.error());
  }
  if (*local && !(*local)->remark.empty()) {
    question->remarks.push_back((*local)->remark);
  }
  std::optional<Bytes> free;
  if (!question->gpu_memory) {
    const auto found = free_memory(options, surroundings, question->remarks);
    if (!found) {
      return complain(found.error());
    }
    free = *found;
  }
  const Json answer = api::estimate_json(*question, free);
  const int exit_code = text_at(answer, "verdict") == "does_not_fit" ? kFailed : kOk;
  return print(options.json
                   ? pretty(answer)
                   : render_fit(answer, options.explain, style_for(options.style, surroundings)),
               exit_code);
}

}  // namespace

void declare_fit(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      root.add_subcommand("fit", "How much memory will a model take, and what would fit?");
  command
      ->add_option("model", options->model,
                   "A name, or a folder, config.json, .gguf or .safetensors file")
      ->type_name("MODEL|PATH")
      ->required();
  command->add_option("--facts", options->facts, "The model's config.json")->type_name("FILE");
  for (Wish& wish : options->wishes) {
    command->add_option(wish.option, wish.value, wish.help)->type_name(wish.type);
  }
  command->add_option("--gpu", options->gpu, "Judge by what is free there")
      ->type_name("INDEX|UUID");
  command->add_flag("--no-flash-attention", options->no_flash, "Scores are stored");
  command->add_flag("--no-graphs", options->no_graphs, "vLLM records no CUDA graphs");
  command->add_flag("--chunked-loss", options->chunked_loss, "Logits are never there at once");
  command->add_flag("--compiled", options->compiled, "Training with torch.compile");
  command->add_flag("--explain", options->explain, "Say why, instead of bars");
  command->add_flag("--json", options->json, "As JSON");
  add_connection(*command, options->connection);
  add_config_file(*command, options->config);
  add_style(*command, options->style);
  add_footer(*command,
             "levee fit meta-llama/Llama-3.1-8B --framework vllm --context 32768\n"
             "levee fit ./model.gguf --framework llama.cpp --kv-dtype q8_0 --gpu 0\n"
             "levee fit mistral-7b --train adam --zero 3 --ranks 8 --gpu-mem 80GB --explain",
             "0 it fits, also if only just, or there is nothing to judge by; 1 it does not fit; "
             "2 wrong use.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
