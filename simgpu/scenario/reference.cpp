#include "simgpu/scenario/reference.hpp"

#include <fmt/format.h>

#include "simgpu/machine/keys.hpp"
#include "simgpu/scenario/gpu_line.hpp"
#include "simgpu/scenario/items.hpp"
#include "simgpu/scenario/quantity.hpp"

namespace levee::simgpu {
namespace {

/// '|' would end a table's cell.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    result += c == '|' ? std::string("\\|") : std::string(1, c);
  }
  return result;
}

}  // namespace

std::string reference_markdown() {
  std::string text = "### Properties of a GPU\n\n| property | meaning |\n|---|---|\n";
  for (const PropertyInfo& property : properties()) {
    text += fmt::format("| `{}` | {} |\n", property.form, property.help);
  }
  text += "\n### Keys\n\n| key | meaning | values | at first |\n|---|---|---|---|\n";
  for (const KeyInfo& key : keys()) {
    text += fmt::format("| `{}` | {} | {} | {} |\n", key.word, key.help, form_of(key),
                        format_value(key, key.first));
  }
  text += "\n### What else can happen\n\n| item | of | meaning |\n|---|---|---|\n";
  for (const ItemInfo& item : items()) {
    const char* of = !item.is_of_driver ? "gpu" : item.is_of_gpu ? "gpu, driver" : "driver";
    text += fmt::format("| `{}` | {} | {} |\n", cell(item.form), of, item.help);
  }
  return text;
}

}  // namespace levee::simgpu
