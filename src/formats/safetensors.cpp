// Safetensors files, one or many.
#include "formats/safetensors.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <ranges>
#include <utility>

#include "formats/weight_file.hpp"

namespace levee::formats {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::string_view kNoSafetensors =
    "the file is no safetensors file, or not complete; fetch it again";

Result<TensorList> read_header(WeightFile& file) {
  const std::uint64_t size = file.size().value_or(0);
  if (size < kLengthBytes) {
    return fail(ErrorCode::corrupt,
                fmt::format("the file has {} bytes, too few for a safetensors file", size),
                std::string(kNoSafetensors));
  }
  const auto start = read_range(file, 0, kLengthBytes);
  if (!start) {
    return std::unexpected(start.error());
  }
  std::uint64_t length = 0;
  std::memcpy(&length, start->data(), kLengthBytes);
  if (length > kMostSafetensorsHeader || length > size - kLengthBytes) {
    return fail(ErrorCode::corrupt,
                fmt::format("the file says its header has {} bytes; it may have up to {}", length,
                            std::min(kMostSafetensorsHeader, size - kLengthBytes)),
                std::string(kNoSafetensors));
  }
  // Before a header of many megabytes is read that is none.
  if (const auto brace = read_range(file, kLengthBytes, length > 0 ? 1 : 0);
      brace && *brace != "{") {
    return fail(ErrorCode::corrupt, "the header does not begin with \"{\"",
                std::string(kNoSafetensors));
  }
  const auto json = read_range(file, kLengthBytes, static_cast<std::size_t>(length));
  if (!json) {
    return std::unexpected(json.error());
  }
  return parse_safetensors_header(*json, size - kLengthBytes - length);
}

/// The first name that is in one of the sorted lists and not in the other.
struct Difference {
  std::optional<std::string> only_first;
  std::optional<std::string> only_second;
};

Difference difference(const std::vector<std::string>& first,
                      const std::vector<std::string>& second) {
  const auto [in_first, in_second] = std::ranges::mismatch(first, second);
  if (in_first == first.end() && in_second == second.end()) {
    return {};
  }
  const bool lacks_first =
      in_first == first.end() || (in_second != second.end() && *in_second < *in_first);
  return lacks_first ? Difference{std::nullopt, *in_second} : Difference{*in_first, std::nullopt};
}

/// That a file holds what the index says of it.
Result<void> compare(std::string_view shard, const std::vector<std::string>& promised,
                     const TensorList& held) {
  std::vector<std::string> names;
  names.reserve(held.tensors.size());
  std::ranges::copy(held.tensors | std::views::transform(&Tensor::name), std::back_inserter(names));
  std::ranges::sort(names);
  const auto [missing, unknown] = difference(promised, names);
  if (!missing && !unknown) {
    return {};
  }
  return fail(ErrorCode::corrupt,
              missing ? fmt::format("tensor {} is not in {}, where the index says it is",
                                    in_quotes(*missing), in_quotes(shard))
                      : fmt::format("{} holds tensor {}, which the index does not name there",
                                    in_quotes(shard), in_quotes(*unknown)),
              "the files are not of one model, or of one version of it; fetch them again");
}

}  // namespace

Result<TensorList> read_safetensors(const std::filesystem::path& path) {
  auto file = WeightFile::open(path);
  if (!file) {
    return std::unexpected(std::move(file.error()));
  }
  auto list = read_header(*file);
  return list ? std::move(list) : in_file(path, list.error());
}

Result<ShardedTensors> read_safetensors_shards(const std::filesystem::path& path) {
  auto file = WeightFile::open(path);
  if (!file) {
    return std::unexpected(std::move(file.error()));
  }
  const std::uint64_t size = file->size().value_or(0);
  if (size > kMostSafetensorsHeader) {
    return fail(ErrorCode::corrupt,
                fmt::format("{}: has {} bytes; an index may have up to {}", shown(path), size,
                            kMostSafetensorsHeader),
                "give the model.safetensors.index.json of a model");
  }
  const auto json = read_range(*file, 0, static_cast<std::size_t>(size));
  if (!json) {
    return in_file(path, json.error());
  }
  auto index = parse_safetensors_index(*json);
  if (!index) {
    return in_file(path, index.error());
  }
  ShardedTensors all;
  std::vector<Tensor> tensors;
  for (const auto& [shard, promised] : index->shards) {
    all.files.push_back(path.parent_path() / shard);
    auto held = read_safetensors(all.files.back());
    if (!held) {
      return in_file(path, held.error());
    }
    if (auto same = compare(shard, promised, *held); !same) {
      return in_file(path, same.error());
    }
    std::ranges::move(held->tensors, std::back_inserter(tensors));
  }
  auto list = make_tensor_list(std::move(tensors));
  if (!list) {
    return in_file(path, list.error());
  }
  all.list = std::move(*list);
  return all;
}

Result<TensorList> read_safetensors_index(const std::filesystem::path& index) {
  auto all = read_safetensors_shards(index);
  if (!all) {
    return std::unexpected(std::move(all.error()));
  }
  return std::move(all->list);
}

}  // namespace levee::formats
