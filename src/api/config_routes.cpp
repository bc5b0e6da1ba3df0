// Handlers of /api/v1/config.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "api/json.hpp"
#include "api/route.hpp"
#include "config/keys.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

/// Every key: what it is, where from, and what it means.
ordered_json config_json(const config::Settings& settings) {
  static const config::Config kDefaults;
  ordered_json json = ordered_json::object();
  for (const config::Key& key : config::keys()) {
    const config::Provenance provenance = settings.provenance(key.name);
    json[std::string(key.name)] = {{"value", to_json(config::public_value(key, settings.config()))},
                                   {"origin", to_string(provenance.origin)},
                                   {"where", provenance.where},
                                   {"default", to_json(key.show(kDefaults))},
                                   {"type", key.type},
                                   {"range", key.range},
                                   {"description", key.description},
                                   {"live", key.live}};
  }
  return json;
}

}  // namespace

ordered_json to_json(const config::Value& value) {
  return std::visit([](const auto& held) { return ordered_json(held); }, value);
}

Result<config::Value> to_value(const std::string& name, const ordered_json& json) {
  const auto refuse = [&](std::string_view what, std::string hint) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} is {}", in_quotes(name), what),
                std::move(hint));
  };
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  switch (json.type()) {
    case ordered_json::value_t::boolean:
      return json.get<bool>();
    case ordered_json::value_t::number_float:
      return json.get<double>();
    case ordered_json::value_t::number_integer:
      return json.get<std::int64_t>();
    case ordered_json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
        return refuse("too large a number", "give a smaller one");
      }
      return json.get<std::int64_t>();
    case ordered_json::value_t::string:
      if (has_nul(json.get_ref<const std::string&>())) {
        return refuse("a text with a NUL character", "leave it out");
      }
      return json.get<std::string>();
    case ordered_json::value_t::array: {
      std::vector<std::string> texts;
      for (const ordered_json& element : json) {
        if (!element.is_string() || has_nul(element.get_ref<const std::string&>())) {
          return refuse("a list that does not hold only texts", R"(write ["one", "two"])");
        }
        texts.push_back(element.get<std::string>());
      }
      return texts;
    }
    case ordered_json::value_t::object:
      return refuse("an object",
                    fmt::format(R"(write nested settings with dots: {{"{}.…": …}})", name));
    case ordered_json::value_t::null:
      return refuse("null", "send a value, or leave it out");
    case ordered_json::value_t::binary:
    case ordered_json::value_t::discarded:
      break;
  }
  return refuse("no value", "send one");
}

Result<config::Values> to_values(const ordered_json& body) {
  config::Values values;
  for (const auto& [name, json] : body.items()) {
    if (const auto key = config::find_key(name); !key) {
      // To HTTP an unknown key is a bad request: the path was found.
      return fail(ErrorCode::invalid_argument, key.error().message, key.error().hint);
    }
    auto value = to_value(name, json);
    if (!value) {
      return std::unexpected(value.error());
    }
    values.emplace(name, std::move(*value));
  }
  return values;
}

Result<Response> get_config(const Call& call) {
  const config::Settings& settings = *call.view->settings;
  const auto& file = settings.file();
  return json_response(ordered_json{{"config", config_json(settings)},
                                    {"file", file ? ordered_json(file->string()) : ordered_json()},
                                    {"notes", settings.notes()}});
}

Result<void> put_config(const Call& call, Responder respond) {
  const auto body = parse_object(call.request.body);
  if (!body) {
    return std::unexpected(body.error());
  }
  auto changes = to_values(*body);
  if (!changes) {
    return std::unexpected(changes.error());
  }
  const auto make = [view = call.ports.view](const ConfigUpdated& updated) {
    const auto after = view();  // Shows the change already: see Ports::command.
    return json_response(
        ordered_json{{"changed", updated.changed},
                     {"needs_restart", updated.needs_restart},
                     {"config", after ? config_json(*after->settings) : ordered_json::object()}});
  };
  call.ports.command(UpdateConfig{std::move(*changes)},
                     answer_with<ConfigUpdated>(std::move(respond), make));
  return {};
}

}  // namespace levee::api
