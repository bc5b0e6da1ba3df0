#include "estimate/weights.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace levee::estimate {
namespace {

/// Bits per value of whole files of Llama-3.1-8B, as llama.cpp prints them (tools/quantize/README),
/// and the types that its embedding and output tensors get.
struct GgufType {
  std::string_view name;
  double whole_bits;
  double embedding_bits;
  double output_bits;
};

constexpr double kQ2K = 2.625;
constexpr double kQ3K = 3.4375;
constexpr double kQ4K = 4.5;
constexpr double kQ5K = 5.5;
constexpr double kQ6K = 6.5625;

constexpr std::array<GgufType, 30> kGgufTypes{{
    {"F32", 32.0, 32, 32},           {"F16", 16.0005, 16, 16},       {"BF16", 16.0005, 16, 16},
    {"Q8_0", 8.5008, 8.5, 8.5},      {"Q6_K", 6.5633, kQ6K, kQ6K},   {"Q5_K_M", 5.7036, kQ5K, kQ6K},
    {"Q5_K_S", 5.5704, kQ5K, kQ6K},  {"Q5_1", 6.0368, 6, kQ6K},      {"Q5_0", 5.5685, 5.5, kQ6K},
    {"Q4_1", 5.1006, 5, kQ6K},       {"Q4_K_M", 4.8944, kQ4K, kQ6K}, {"IQ4_NL", 4.6818, 4.5, kQ6K},
    {"Q4_K_S", 4.6672, kQ4K, kQ6K},  {"Q4_0", 4.6359, 4.5, kQ6K},    {"IQ4_XS", 4.4597, 4.25, kQ6K},
    {"Q3_K_L", 4.2979, kQ3K, kQ6K},  {"Q3_K_M", 3.9960, kQ3K, kQ6K}, {"IQ3_M", 3.7628, kQ3K, kQ6K},
    {"IQ3_S", 3.6606, kQ3K, kQ6K},   {"Q3_K_S", 3.6429, kQ3K, kQ6K}, {"IQ3_XS", 3.4977, kQ3K, kQ6K},
    {"IQ3_XXS", 3.2548, kQ3K, kQ5K}, {"Q2_K", 3.1593, kQ2K, kQ6K},   {"Q2_K_S", 2.9697, kQ2K, kQ6K},
    {"IQ2_M", 2.9294, kQ3K, kQ5K},   {"IQ2_S", 2.7403, kQ3K, kQ5K},  {"IQ2_XS", 2.5882, kQ2K, kQ5K},
    {"IQ2_XXS", 2.3824, kQ2K, kQ5K}, {"IQ1_M", 2.1460, kQ2K, kQ5K},  {"IQ1_S", 2.0042, kQ2K, kQ5K},
}};

/// Shares of Llama-3.1-8B's values, of which kGgufTypes speaks.
constexpr double kEmbeddingShare = 525'336'576.0 / 8'030'261'248.0;
constexpr double kLinearShare = 1 - 2 * kEmbeddingShare;

WeightFormat gguf_format(const GgufType& type) {
  const double rest = kEmbeddingShare * (type.embedding_bits + type.output_bits);
  // Which layers get more bits depends on the model.
  constexpr double kUncertainty = 0.03;
  return {.name = std::string(type.name),
          .linear_bits = (type.whole_bits - rest) / kLinearShare,
          .embedding_bits = type.embedding_bits,
          .output_bits = type.output_bits,
          .uncertainty = type.whole_bits < 16 ? kUncertainty : 0.005};
}

/// Without a name of a framework: "awq" and "gptq" are int4.
std::string plain(std::string_view name) {
  std::string text(name);
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (text == "awq" || text == "gptq") {
    return "int4";
  }
  if (text == "bfloat16" || text == "float16" || text == "16bit") {
    return text == "float16" ? "fp16" : "bf16";
  }
  return text == "float32" ? "fp32" : text == "f8" || text == "float8" ? "fp8" : text;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// What some models are released in, and others are not converted to. mxfp4: 4 bits, and 8 for 32
/// of them (OCP Microscaling); kernels pad the matrices to shapes that suit them, by up to a tenth.
const std::vector<WeightFormat>& released_formats() {
  static const std::vector<WeightFormat> kFormats{
      {.name = "mxfp4", .linear_bits = 4.25, .uncertainty = 0.1, .experts_only = true}};
  return kFormats;
}

std::vector<std::string_view> names_of(const std::vector<WeightFormat>& formats) {
  std::vector<std::string_view> names;
  names.reserve(formats.size());
  for (const WeightFormat& format : formats) {
    names.push_back(format.name);
  }
  return names;
}

}  // namespace

const std::vector<WeightFormat>& hub_formats() {
  // Scales: int8 a 16-bit one for each row; int4 a 16-bit scale and a 4-bit zero for 128 values;
  // nf4 a 32-bit one for 64 values, which double quantisation makes 8 bits and a 32-bit one for 256
  // of them.
  static const std::vector<WeightFormat> kFormats{
      {.name = "fp32",
       .linear_bits = 32,
       .embedding_bits = 32,
       .output_bits = 32,
       .uncertainty = 0.005},
      {.name = "bf16", .uncertainty = 0.005},
      {.name = "fp16", .uncertainty = 0.005},
      {.name = "fp8", .linear_bits = 8.01, .uncertainty = 0.03, .splits_tied = true},
      {.name = "int8", .linear_bits = 8.02, .uncertainty = 0.03},
      {.name = "nf4", .linear_bits = 4.5, .uncertainty = 0.03},
      {.name = "int4", .linear_bits = 4.16, .uncertainty = 0.03},
      {.name = "nf4-dq", .linear_bits = 4.127, .uncertainty = 0.03}};
  return kFormats;
}

const std::vector<WeightFormat>& gguf_formats() {
  static const std::vector<WeightFormat> kFormats = [] {
    std::vector<WeightFormat> formats;
    formats.reserve(kGgufTypes.size());
    for (const GgufType& type : kGgufTypes) {
      formats.push_back(gguf_format(type));
    }
    return formats;
  }();
  return kFormats;
}

Result<WeightFormat> parse_weight_format(std::string_view name) {
  const std::string text = plain(name);
  for (const auto* formats : {&hub_formats(), &released_formats(), &gguf_formats()}) {
    for (const WeightFormat& format : *formats) {
      if (same_name(format.name, text)) {
        return format;
      }
    }
  }
  return fail(
      ErrorCode::invalid_argument,
      fmt::format("\"{}\" is no format of weights", name.substr(0, 64)),
      fmt::format("accepted: {}, awq, gptq, mxfp4, {}", fmt::join(names_of(hub_formats()), ", "),
                  fmt::join(names_of(gguf_formats()), ", ")));
}

WeightFormat format_of(const ModelFacts& facts) {
  const std::string_view name = facts.quantization != Quantization::none
                                    ? to_string(facts.quantization)
                                : facts.bytes_per_value > 2 ? std::string_view("fp32")
                                : facts.bytes_per_value < 2 ? std::string_view("fp8")
                                                            : std::string_view("bf16");
  return parse_weight_format(name).value_or(hub_formats().at(1));
}

std::uint64_t most_layers(std::uint64_t layers, std::uint64_t stages) {
  return (layers + stages - 1) / stages;
}

double weight_bytes(const Parameters& parameters, const ModelFacts& facts,
                    const WeightFormat& format, double ranks, std::uint64_t stages) {
  const bool is_16_bit = format.linear_bits >= 16;
  const double other_bits = is_16_bit ? format.linear_bits : 16;
  const double embedding_bits = facts.tied_embeddings ? format.output_bits : format.embedding_bits;
  const bool is_copied = facts.tied_embeddings && (format.splits_tied || stages > 1);
  const double embedding = static_cast<double>(parameters.embedding) * embedding_bits;
  const double output = static_cast<double>(is_copied ? parameters.embedding : parameters.output) *
                        format.output_bits;
  const std::uint64_t wide = format.experts_only ? parameters.linear - parameters.expert_linear : 0;
  const double linear = static_cast<double>(parameters.linear - wide) * format.linear_bits +
                        static_cast<double>(wide) * other_bits;
  const double other = static_cast<double>(parameters.other) * other_bits;
  // What stands before the layers is the first stage's.
  const double before = static_cast<double>(parameters.vision) * other_bits;
  const double beside = static_cast<double>(facts.companion_parameters) * other_bits;
  if (stages <= 1) {
    return ((linear + embedding + output + before) / ranks + other + beside) / 8;
  }
  const std::uint64_t layers = std::max<std::uint64_t>(facts.layers + facts.decoder_layers, 1);
  const double share =
      static_cast<double>(most_layers(layers, stages)) / static_cast<double>(layers);
  const double ends = std::max(embedding + before, output);
  return ((linear * share + ends) / ranks + other * share + beside) / 8;
}

double rotary_table_bytes(const ModelFacts& facts) {
  const std::uint64_t width = facts.latent ? facts.latent->rope : facts.head_dim;
  return 2 * static_cast<double>(facts.rotary_rows) * static_cast<double>(width);
}

}  // namespace levee::estimate
