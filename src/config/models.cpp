#include "config/models.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "config/nearest.hpp"

namespace levee::config {
namespace {

using estimate::Requirements;

/// The refusal of a value that is not even of the right type.
std::unexpected<Error> wrong_type(const Value& value, std::string_view wanted) {
  return fail(ErrorCode::invalid_argument, fmt::format("{} is not {}", shown(value), wanted),
              fmt::format("give {}", wanted));
}

Result<double> number(const Value& value) {
  const auto number = number_in(value);
  return number ? Result<double>(*number) : wrong_type(value, "a number");
}

Result<void> set_memory(Bytes& memory, const Value& value) {
  const auto gigabytes = number(value);
  const auto bytes =
      gigabytes ? estimate::bytes_of_gigabytes(*gigabytes) : std::unexpected(gigabytes.error());
  if (!bytes) {
    return std::unexpected(bytes.error());
  }
  memory = *bytes;
  return {};
}

Result<void> set_host(Requirements& model, const Value& value) {
  return set_memory(model.host, value);
}

Result<void> set_gpu(Requirements& model, const Value& value) {
  return set_memory(model.gpu, value);
}

Result<void> set_compute(Requirements& model, const Value& value) {
  const auto given = number(value);
  const auto capability = given ? estimate::capability_of(*given) : std::unexpected(given.error());
  if (!capability) {
    return std::unexpected(capability.error());
  }
  model.min_compute = *capability;
  return {};
}

Result<void> set_batch(Requirements& model, const Value& value) {
  const auto given = integer_in(value);
  if (!given) {
    return wrong_type(value, "a whole number");
  }
  const auto batch = estimate::batch_of(*given);
  if (!batch) {
    return std::unexpected(batch.error());
  }
  model.recommended_batch = *batch;
  return {};
}

Result<void> set_notes(Requirements& model, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || !is_printable(*text)) {
    return wrong_type(value, "a text without control characters");
  }
  model.notes = *text;
  return {};
}

struct Field {
  std::string_view name;
  Result<void> (*set)(Requirements& model, const Value& value);
};
constexpr std::array kFields{Field{"cpu_memory_gb", set_host}, Field{"gpu_memory_gb", set_gpu},
                             Field{"min_gpu_compute", set_compute},
                             Field{"recommended_batch_size", set_batch}, Field{"notes", set_notes}};

Result<void> set_field(Requirements& model, std::string_view name, const Value& value) {
  const auto* const field = std::ranges::find(kFields, name, &Field::name);
  if (field != kFields.end()) {
    const auto set = field->set(model, value);
    return set ? set : std::unexpected(set.error().within(name));
  }
  std::vector<std::string> names;
  names.reserve(kFields.size());
  for (const Field& each : kFields) {
    names.emplace_back(each.name);
  }
  const auto near = nearest(name, names);
  return fail(ErrorCode::invalid_argument,
              fmt::format("a model has no field {}", shown(Value{std::string(name)})),
              near ? fmt::format("did you mean {}?", *near)
                   : fmt::format("its fields are {}", fmt::join(names, ", ")));
}

/// "my/model" and "notes" of "models.my/model.notes"; a model's name may have dots of its own.
Result<std::pair<std::string_view, std::string_view>> split(std::string_view name) {
  const std::size_t begin = std::min(kModelsTable.size() + 1, name.size());
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot < begin) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is a table, not a value", shown(Value{std::string(name)})),
                R"(write [models."name"] and below it cpu_memory_gb = … and gpu_memory_gb = …)");
  }
  return std::pair{name.substr(begin, dot - begin), name.substr(dot + 1)};
}

/// `model` as a message names it.
std::string table_of(std::string_view model) {
  return fmt::format("models.{}", shown(Value{std::string(model)}));
}

}  // namespace

bool is_about_models(std::string_view name) noexcept {
  return name.starts_with(kModelsTable) &&
         (name.size() == kModelsTable.size() || name[kModelsTable.size()] == '.');
}

Result<Requirements> requirements_from(const Values& fields) {
  Requirements model;
  for (const auto& [name, value] : fields) {
    if (const auto set = set_field(model, name, value); !set) {
      return std::unexpected(set.error());
    }
  }
  if (const auto good = estimate::check(model); !good) {
    return std::unexpected(good.error());
  }
  return model;
}

Result<estimate::ModelRegistry::Entries> models_in(const Layer& file) {
  struct Described {
    Values fields;
    std::string where;  ///< Of its first field by name.
  };
  std::map<std::string, Described, std::less<>> described;
  for (const auto& [name, setting] : file) {
    if (!is_about_models(name)) {
      continue;
    }
    const auto parts = split(name);
    if (!parts) {
      return std::unexpected(parts.error().within(setting.where));
    }
    const auto& [id, field] = *parts;
    // Each field for itself, so that the error names its own line.
    Requirements unused;
    if (const auto good = set_field(unused, field, setting.value); !good) {
      return std::unexpected(good.error().within(table_of(id)).within(setting.where));
    }
    Described& model =
        described.try_emplace(std::string(id), Described{{}, setting.where}).first->second;
    model.fields.emplace(field, setting.value);
  }
  if (described.size() > estimate::kMostModels) {
    return fail(ErrorCode::invalid_argument, fmt::format("there are {} models", described.size()),
                fmt::format("describe at most {}", estimate::kMostModels));
  }
  estimate::ModelRegistry::Entries models;
  for (const auto& [id, model] : described) {
    const auto named = estimate::check_model_id(id);
    auto requirements = named ? requirements_from(model.fields) : std::unexpected(named.error());
    if (!requirements) {
      return std::unexpected(requirements.error().within(table_of(id)).within(model.where));
    }
    models.emplace(id, std::move(*requirements));
  }
  return models;
}

}  // namespace levee::config
