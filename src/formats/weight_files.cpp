#include "formats/weight_files.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "formats/safetensors.hpp"
#include "formats/split_name.hpp"
#include "formats/weight_file.hpp"

namespace levee::formats {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<fs::path>;

constexpr std::string_view kIndexEnd = ".safetensors.index.json";
constexpr std::size_t kMostNamed = 6;  ///< Files that a message lists.

Result<Weights> from_safetensors(const Paths& files) {
  std::vector<Tensor> tensors;
  for (const fs::path& file : files) {
    auto list = read_safetensors(file);
    if (!list) {
      return std::unexpected(std::move(list.error()));
    }
    if (files.size() == 1) {
      return Weights{FileFormat::safetensors, std::move(*list), {}, files};
    }
    std::ranges::move(list->tensors, std::back_inserter(tensors));
  }
  auto list = make_tensor_list(std::move(tensors));
  if (!list) {
    return in_file(files.front().parent_path(), list.error());
  }
  return Weights{FileFormat::safetensors, std::move(*list), {}, files};
}

Result<Weights> from_index(const fs::path& index) {
  auto shards = read_safetensors_shards(index);
  if (!shards) {
    return std::unexpected(std::move(shards.error()));
  }
  return Weights{FileFormat::safetensors, std::move(shards->list), {}, std::move(shards->files)};
}

Result<Weights> from_gguf(const fs::path& path) {
  auto model = read_gguf(path);
  if (!model) {
    return std::unexpected(std::move(model.error()));
  }
  return Weights{FileFormat::gguf, std::move(model->header.tensors),
                 std::move(model->header.metadata), std::move(model->files)};
}

// --- a file

/// By its first bytes: the files of some model stores are named by their checksum.
Result<Weights> from_unnamed(const fs::path& path) {
  auto file = WeightFile::open(path);
  if (!file) {
    return std::unexpected(std::move(file.error()));
  }
  constexpr std::size_t kLook = 9;  // GGUF says so at once, safetensors begin their JSON at byte 8
  std::string start(kLook, '\0');
  const auto count = file->read_at(0, start);
  if (!count) {
    return in_file(path, count.error());
  }
  start.resize(*count);
  if (start.starts_with("GGUF")) {
    return from_gguf(path);
  }
  if (start.size() == kLook && start.back() == '{') {
    return from_safetensors({path});
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("{}: is neither a safetensors nor a GGUF file", shown(path)),
              "give a .safetensors or .gguf file, an index (.safetensors.index.json) or the folder "
              "of a model; PyTorch files (.bin, .pt) must be converted to safetensors");
}

Result<Weights> from_file(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.ends_with(".index.json")) {
    return from_index(path);
  }
  if (name.ends_with(".safetensors")) {
    return from_safetensors({path});
  }
  return name.ends_with(".gguf") ? from_gguf(path) : from_unnamed(path);
}

// --- a folder

/// What of a folder may be weights, by name; what they are is seen when they are opened.
struct Folder {
  Paths indexes;
  Paths safetensors;
  Paths ggufs;
};

Result<Folder> list_folder(const fs::path& path) {
  Folder folder;
  std::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.ends_with(kIndexEnd)) {
      folder.indexes.push_back(at->path());
    } else if (name.ends_with(".safetensors")) {
      folder.safetensors.push_back(at->path());
    } else if (name.ends_with(".gguf")) {
      folder.ggufs.push_back(at->path());
    }
  }
  if (error) {
    return std::unexpected(sources::file_error("cannot read " + shown(path), error.value()));
  }
  for (Paths* paths : {&folder.indexes, &folder.safetensors, &folder.ggufs}) {
    std::ranges::sort(*paths);
  }
  return folder;
}

std::unexpected<Error> several(const fs::path& folder, std::string_view what, const Paths& paths) {
  std::vector<std::string> names;
  for (const fs::path& path : paths) {
    if (names.size() == kMostNamed) {
      names.emplace_back("…");
      break;
    }
    names.push_back(shown(path.filename()));
  }
  return fail(
      ErrorCode::invalid_argument,
      fmt::format("{}: holds {} {}: {}", shown(folder), paths.size(), what, fmt::join(names, ", ")),
      "give the path of the one that is meant");
}

/// The first of each model's files, be it one file or several.
Paths models_among(const Paths& files) {
  Paths models;
  std::set<std::pair<std::string, std::uint32_t>> seen;
  for (const fs::path& file : files) {
    const auto name = parse_split_name(file.filename().string());
    if (!name || seen.emplace(name->prefix, name->count).second) {
      models.push_back(file);
    }
  }
  return models;
}

/// That no file of a model of several is missing, where names tell and no index does.
Result<void> check_complete(const fs::path& folder, const Paths& files) {
  for (const fs::path& first : models_among(files)) {
    const auto name = parse_split_name(first.filename().string());
    for (std::uint32_t number = 1; name && number <= name->count; ++number) {
      const fs::path sibling = folder / sibling_name(*name, number);
      if (!std::ranges::binary_search(files, sibling)) {
        return fail(
            ErrorCode::not_found,
            fmt::format("{}: is not there, but {} is", shown(sibling), shown(first.filename())),
            "the download did not finish; fetch the model again");
      }
    }
  }
  return {};
}

Result<Weights> from_loose_safetensors(const fs::path& path, const Paths& files) {
  // Beside it may lie the same weights in other words (consolidated.safetensors); loaders take
  // this.
  if (std::ranges::binary_search(files, path / "model.safetensors")) {
    return from_safetensors({path / "model.safetensors"});
  }
  if (auto complete = check_complete(path, files); !complete) {
    return std::unexpected(std::move(complete.error()));
  }
  return from_safetensors(files);
}

Result<Weights> from_folder(const fs::path& path) {
  const auto folder = list_folder(path);
  if (!folder) {
    return std::unexpected(folder.error());
  }
  const fs::path usual_index = path / "model.safetensors.index.json";
  if (std::ranges::binary_search(folder->indexes, usual_index)) {
    return from_index(usual_index);
  }
  if (folder->indexes.size() > 1) {
    return several(path, "indexes", folder->indexes);
  }
  if (!folder->indexes.empty()) {
    return from_index(folder->indexes.front());
  }
  if (!folder->safetensors.empty()) {
    return from_loose_safetensors(path, folder->safetensors);
  }
  const Paths models = models_among(folder->ggufs);
  if (models.size() > 1) {
    return several(path, "GGUF models", models);
  }
  if (!models.empty()) {
    return from_gguf(models.front());
  }
  return fail(
      ErrorCode::not_found,
      fmt::format("{}: holds no weights (*.safetensors, *.gguf)", shown(path)),
      "give the folder the files lie in (in the Hugging Face cache: snapshots/…), or a file");
}

}  // namespace

Result<Weights> read_weights(const fs::path& path) {
  std::error_code ignored;  // what is not there is told by whoever opens it
  return fs::is_directory(path, ignored) ? from_folder(path) : from_file(path);
}

}  // namespace levee::formats
