// read_weights: what a model's weight files hold, whichever way they are laid out.
//
// Only headers are read, so that a model of hundreds of gigabytes answers in milliseconds.
// Thread-safe.
#pragma once

#include <filesystem>
#include <vector>

#include "formats/gguf.hpp"
#include "formats/tensors.hpp"
#include "levee/result.hpp"

namespace levee::formats {

enum class FileFormat { safetensors, gguf };

struct Weights {
  FileFormat format = FileFormat::safetensors;
  TensorList tensors;
  GgufMetadata metadata;                     ///< Of GGUF; empty for safetensors.
  std::vector<std::filesystem::path> files;  ///< All that were counted.
};

/// `path` is
/// - a .safetensors file, alone;
/// - an index (….index.json) of a model of several safetensors files;
/// - a .gguf file, alone or any one of a split model, whose other files lie beside it;
/// - a file without such a name that begins as one of these does;
/// - a folder: its model.safetensors.index.json, else the only other index, else
///   model.safetensors, else all .safetensors files, else its one GGUF model.
/// Symbolic links are followed. Errors name the file and say what to do.
[[nodiscard]] Result<Weights> read_weights(const std::filesystem::path& path);

}  // namespace levee::formats
