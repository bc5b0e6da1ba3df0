// The JSON that says which file of a model holds which tensor.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "formats/json_events.hpp"
#include "formats/safetensors.hpp"

namespace levee::formats {
namespace {

constexpr std::size_t kMostShards = 10'000;
constexpr std::size_t kLongestShardName = 1024;

/// A file in the folder of the index or below; nowhere else, whatever the index says.
bool stays_in_folder(const std::string& shard) {
  const std::filesystem::path path(shard);
  const bool is_printable = std::ranges::none_of(
      shard, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return !shard.empty() && shard.size() <= kLongestShardName && is_printable &&
         !path.is_absolute() && path.has_filename() &&
         std::ranges::none_of(path, [](const auto& part) { return part == ".."; });
}

/// {"metadata": {…}, "weight_map": {TENSOR: FILE, …}}
class IndexEvents final : public JsonEvents {
 public:
  [[nodiscard]] bool has_map() const noexcept { return has_map_; }
  [[nodiscard]] SafetensorsIndex& index() noexcept { return index_; }

  bool key(string_t& name) override {
    if (depth() == kInIndex) {
      in_map_ = name == "weight_map";
      return in_map_ && std::exchange(has_map_, true) ? refuse("\"weight_map\" is there twice")
                                                      : true;
    }
    if (in_map_) {
      tensor_ = std::move(name);
    }
    return true;
  }

 protected:
  bool entered(Opens what) override {
    if (depth() == kInIndex) {
      return what == Opens::object ? true : refuse("the index is no JSON object");
    }
    if (!in_map_) {
      return true;
    }
    return depth() == kInMap && what == Opens::object ? true : wrong_map();
  }

  bool leaving() override { return true; }
  bool whole_number(std::uint64_t) override { return scalar(); }

  bool text_value(std::string& shard) override {
    if (!in_map_ || depth() != kInMap) {
      return scalar();
    }
    if (!stays_in_folder(shard)) {
      return refuse(fmt::format("tensor {}: {} is no file in the folder of the index",
                                in_quotes(tensor_), in_quotes(shard)));
    }
    index_.shards[shard].push_back(std::move(tensor_));
    return index_.shards.size() <= kMostShards
               ? true
               : refuse(fmt::format("the index names more than {} files", kMostShards));
  }

  bool scalar() override {
    if (depth() == 0) {
      return refuse("the index is no JSON object");
    }
    return in_map_ ? wrong_map() : true;
  }

 private:
  static constexpr int kInIndex = 1;
  static constexpr int kInMap = 2;

  bool wrong_map() {
    return refuse("\"weight_map\" must be an object that gives each tensor the name of its file");
  }

  SafetensorsIndex index_;
  std::string tensor_;
  bool in_map_ = false;
  bool has_map_ = false;
};

}  // namespace

Result<SafetensorsIndex> parse_safetensors_index(std::string_view json) {
  IndexEvents events;
  if (auto done = run(json, events); !done) {
    return std::unexpected(std::move(done.error()));
  }
  if (!events.has_map() || events.index().shards.empty()) {
    return fail(ErrorCode::corrupt,
                "the index names no tensors: \"weight_map\" is missing or empty",
                "give the model.safetensors.index.json of a model");
  }
  for (auto& [shard, names] : events.index().shards) {
    std::ranges::sort(names);
    if (const auto twice = std::ranges::adjacent_find(names); twice != names.end()) {
      return fail(ErrorCode::corrupt,
                  fmt::format("the index names tensor {} twice", in_quotes(*twice)),
                  "the index is damaged; fetch it again");
    }
  }
  return std::move(events.index());
}

}  // namespace levee::formats
