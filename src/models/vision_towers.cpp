#include "models/vision_towers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "models/config_fields.hpp"

namespace levee::models {
namespace {

using estimate::ModelFacts;
using nlohmann::json;
using u64 = std::uint64_t;

// Products of them fit into 64 bits.
constexpr u64 kMostWidth = u64{1} << 16;
constexpr u64 kMostLayers = 1'024;
constexpr u64 kMostPixels = u64{1} << 16;
constexpr u64 kMostChannels = 64;

struct Tower {
  u64 hidden = 0;
  u64 intermediate = 0;
  u64 layers = 0;
  u64 patch = 0;
  u64 channels = 0;
  u64 image = 0;
};

Tower read_tower(ConfigFields& from, const Tower& usual) {
  return {.hidden = from.size_or("hidden_size", usual.hidden, kMostWidth),
          .intermediate = from.size_or("intermediate_size", usual.intermediate, kMostWidth),
          .layers = from.size_or("num_hidden_layers", usual.layers, kMostLayers),
          .patch = std::max<u64>(from.size_or("patch_size", usual.patch, kMostPixels), 1),
          .channels = from.size_or("num_channels", usual.channels, kMostChannels),
          .image = from.size_or("image_size", usual.image, kMostPixels)};
}

u64 linear(u64 in, u64 out) { return in * out + out; }

/// A transformer's layers with biases everywhere and two layer norms each, and a norm at the end.
u64 layers_with_biases(const Tower& tower) {
  const u64 d = tower.hidden;
  const u64 layer =
      4 * linear(d, d) + linear(d, tower.intermediate) + linear(tower.intermediate, d) + 4 * d;
  return tower.layers * layer + 2 * d;
}

u64 patches(const Tower& tower) {
  return tower.channels * tower.patch * tower.patch * tower.hidden;
}

/// One learned position for every patch. The pooling head is there unless it is switched off, and
/// whether or not it is used.
u64 siglip(const Tower& tower, ConfigFields& from) {
  const u64 d = tower.hidden;
  const u64 side = tower.image / tower.patch;
  u64 count = patches(tower) + d + side * side * d + layers_with_biases(tower);
  if (from.flag_or("vision_use_head", true)) {
    count += d + 4 * linear(d, d) + 2 * d + linear(d, tower.intermediate) +
             linear(tower.intermediate, d);
  }
  return count;
}

/// No biases, gated MLPs, rotary positions: a Llama that looks.
u64 pixtral(const Tower& tower, ConfigFields& /*from*/) {
  const u64 d = tower.hidden;
  return patches(tower) + d + tower.layers * (4 * d * d + 3 * d * tower.intermediate + 2 * d);
}

/// SigLIP's layers; positions of a grid that is stretched to the picture.
u64 moonvit(const Tower& tower, ConfigFields& from) {
  constexpr u64 kGrid = 64;
  const u64 rows = from.size_or("init_pos_emb_height", kGrid, kMostPixels);
  const u64 columns = from.size_or("init_pos_emb_width", kGrid, kMostPixels);
  return patches(tower) + tower.hidden + rows * columns * tower.hidden + layers_with_biases(tower);
}

struct Kind {
  std::string_view type;  ///< The vision_config's model_type.
  Tower usual;            ///< What transformers takes for fields that are absent.
  u64 (*count)(const Tower& tower, ConfigFields& from);
};

constexpr std::array kKinds{Kind{.type = "moonvit",
                                 .usual = {.hidden = 1152,
                                           .intermediate = 4304,
                                           .layers = 27,
                                           .patch = 14,
                                           .channels = 3,
                                           .image = 0},
                                 .count = moonvit},
                            Kind{.type = "pixtral",
                                 .usual = {.hidden = 1024,
                                           .intermediate = 4096,
                                           .layers = 24,
                                           .patch = 16,
                                           .channels = 3,
                                           .image = 1024},
                                 .count = pixtral},
                            Kind{.type = "siglip_vision_model",
                                 .usual = {.hidden = 768,
                                           .intermediate = 3072,
                                           .layers = 12,
                                           .patch = 16,
                                           .channels = 3,
                                           .image = 224},
                                 .count = siglip}};

/// Between a tower of `width` and a language model of `hidden`, by the whole model's type.
u64 projector(const json& config, ConfigFields& whole, u64 width, u64 hidden) {
  const std::string type = whole.text_or("model_type", "");
  if (type == "gemma3") {  // One matrix, and a norm.
    return width * hidden + width;
  }
  const u64 merged = whole.size_or("spatial_merge_size", 2, 64);
  const bool has_biases = whole.flag_or("multimodal_projector_bias", type != "mistral3");
  const auto matrix = [&](u64 in, u64 out) { return in * out + (has_biases ? out : 0); };
  if (type == "mistral3") {  // A norm, neighbouring patches into one, and two matrices.
    return width + merged * merged * width * width + matrix(width, hidden) + matrix(hidden, hidden);
  }
  if (type == "kimi_vl") {
    const u64 four = 4 * width;
    return 2 * width + linear(four, four) + linear(four, hidden);
  }
  // Llava: two matrices from the outputs of as many layers as are named; Next has a line break.
  const auto layers = config.find("vision_feature_layer");
  const u64 outputs =
      layers != config.end() && layers->is_array() ? std::min<u64>(layers->size(), kMostLayers) : 1;
  return matrix(outputs * width, hidden) + matrix(hidden, hidden) +
         (type == "llava_next" ? hidden : 0);
}

}  // namespace

Result<std::string> read_vision_tower(const json& config, ModelFacts& facts) {
  const auto found = config.find("vision_config");
  if (found == config.end() || !found->is_object()) {
    return "";
  }
  ConfigFields from(*found);
  ConfigFields whole(config);
  const std::string type = from.text_or("model_type", "");
  const auto* const kind = std::ranges::find(kKinds, type, &Kind::type);
  if (kind == kKinds.end()) {
    return fmt::format("its vision tower \"{}\" is not known and not counted", type.substr(0, 64));
  }
  const Tower tower = read_tower(from, kind->usual);
  facts.vision_parameters =
      kind->count(tower, from) + projector(config, whole, tower.hidden, facts.hidden);
  for (ConfigFields* const part : {&from, &whole}) {
    if (part->error()) {
      return std::unexpected(Error(*part->error()).within("vision_config"));
    }
  }
  return "";
}

}  // namespace levee::models
