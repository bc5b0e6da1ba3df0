// Handlers of /api/v1/models….
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/find_gpu.hpp"
#include "api/json.hpp"
#include "api/machine_of.hpp"
#include "api/model_json.hpp"
#include "api/route.hpp"
#include "config/models.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

constexpr int kConflict = 409;

Result<std::string> checked_id(const std::string& id) {
  if (const auto good = estimate::check_model_id(id); !good) {
    return std::unexpected(good.error());
  }
  if (!config::is_printable(id)) {
    return fail(ErrorCode::invalid_argument, "the model's name is not UTF-8",
                "encode it as UTF-8, then for the address with percent signs");
  }
  return id;
}

/// The model that the parameter names.
Result<std::string> model_in(const Query& query) {
  const std::string* id = query.find("model");
  if (id == nullptr) {
    return fail(ErrorCode::invalid_argument, "no model is named",
                "add ?model=NAME, with the name percent-encoded");
  }
  return checked_id(*id);
}

/// The body as an object with members of these names only.
Result<ordered_json> body_with(const Request& request, std::span<const std::string_view> members) {
  auto body = parse_object(request.body);
  if (!body) {
    return body;
  }
  for (const auto& [name, value] : body->items()) {
    if (std::ranges::find(members, name) == members.end()) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} is not expected in the body", in_quotes(name)),
                  fmt::format("accepted: {}", fmt::join(members, ", ")));
    }
  }
  return body;
}

/// The model that the body names.
Result<std::string> model_in(const ordered_json& body) {
  const auto found = body.find("model");
  if (found == body.end() || !found->is_string()) {
    return fail(ErrorCode::invalid_argument,
                found == body.end() ? "no model is named" : "\"model\" is not a text",
                R"(send {"model": "facebook/musicgen-small"})");
  }
  return checked_id(found->get<std::string>());
}

/// The GPU that the body names, as find_gpu() understands it; nothing when it names none.
Result<std::optional<std::string>> gpu_in(const ordered_json& body) {
  const auto found = body.find("gpu_id");
  if (found == body.end() || found->is_null()) {
    return std::optional<std::string>{};
  }
  if (found->is_string()) {
    return found->get<std::string>();
  }
  if (found->is_number_unsigned()) {
    return std::to_string(found->get<std::uint64_t>());
  }
  return fail(ErrorCode::invalid_argument, "\"gpu_id\" is neither an index nor a UUID",
              R"(send 0, or "GPU-…")");
}

struct Asked {
  ordered_json json;
  estimate::Verdict verdict;
};

/// Answers with what `make` makes of the verdict, by the ledger's promises where there is a ledger.
Result<void> ask(const Call& call, Responder respond, const std::string& id,
                 const std::optional<std::string>& gpu, Response (*make)(const Asked& asked)) {
  std::optional<std::string> uuid;
  if (gpu) {
    const auto found = find_gpu(*call.view, *gpu);
    if (!found) {
      return std::unexpected(found.error());
    }
    uuid = (*found)->reading->identity->uuid;
  }
  using Shown = Result<std::shared_ptr<const LedgerView>>;
  call.ports.ledger.show([respond = std::move(respond), view = call.view, now = call.ports.now, id,
                          uuid, make](const Shown& shown) {
    respond_with(respond, [&] {
      const estimate::Machine machine =
          machine_of(*view, shown ? shown->get() : nullptr, now().mono);
      auto verdict = estimate::validate(id, models_of(*view), model_cache_of(*view), machine, uuid);
      return make({.json = to_json(verdict, machine), .verdict = std::move(verdict)});
    });
  });
  return {};
}

/// The members of every error, for those who only look at these.
void add_refusal(ordered_json& json, const estimate::Verdict& verdict) {
  std::vector<std::string_view> reasons;
  reasons.reserve(verdict.judgement.shortfalls.size());
  for (const estimate::Shortfall& shortfall : verdict.judgement.shortfalls) {
    reasons.push_back(shortfall.text);
  }
  json["detail"] =
      fmt::format("{} does not fit: {}", in_quotes(verdict.model), fmt::join(reasons, "; "));
  json["hint"] =
      verdict.help.empty() ? "free memory, or choose a smaller model" : verdict.help.front().text;
  json["code"] = "insufficient_resources";
}

Response response_to_post(const Asked& asked) {
  if (asked.verdict.outcome != estimate::Outcome::refused) {
    return json_response(asked.json);
  }
  ordered_json json = asked.json;
  add_refusal(json, asked.verdict);
  Response response = json_response(json);
  response.status = kConflict;
  return response;
}

}  // namespace

Result<Response> get_models(const Call& call) { return json_response(models_json(*call.view)); }

Result<void> put_model(const Call& call, Responder respond) {
  auto id = model_in(call.query);
  if (!id) {
    return std::unexpected(id.error());
  }
  const auto body = parse_object(call.request.body);
  if (!body) {
    return std::unexpected(body.error());
  }
  config::Values fields;
  for (const auto& [name, json] : body->items()) {
    if (json.is_null()) {
      continue;  // As if it were not said.
    }
    auto value = to_value(name, json);
    if (!value) {
      return std::unexpected(value.error());
    }
    fields.emplace(name, std::move(*value));
  }
  auto requirements = config::requirements_from(fields);
  if (!requirements) {
    return std::unexpected(requirements.error());
  }
  const ordered_json answer = to_json(
      estimate::Model{.id = *id, .requirements = *requirements, .origin = estimate::Origin::api});
  call.ports.command(
      RegisterModel{.id = std::move(*id), .requirements = std::move(*requirements)},
      answer_with<ModelsChanged>(std::move(respond), [answer](const ModelsChanged& /*done*/) {
        return json_response(answer);
      }));
  return {};
}

Result<void> delete_model(const Call& call, Responder respond) {
  auto id = model_in(call.query);
  if (!id) {
    return std::unexpected(id.error());
  }
  call.ports.command(RemoveModel{*id},
                     answer_with<ModelsChanged>(std::move(respond), [id = *id](const auto&) {
                       return json_response(ordered_json{{"removed", id}});
                     }));
  return {};
}

Result<void> get_validate(const Call& call, Responder respond) {
  const auto id = model_in(call.query);
  if (!id) {
    return std::unexpected(id.error());
  }
  const std::string* gpu = call.query.find("gpu_id");
  return ask(call, std::move(respond), *id,
             gpu != nullptr ? std::optional(*gpu) : std::optional<std::string>{},
             [](const Asked& asked) { return json_response(asked.json); });
}

Result<void> post_validate(const Call& call, Responder respond) {
  constexpr std::array<std::string_view, 2> kMembers{"model", "gpu_id"};
  const auto body = body_with(call.request, kMembers);
  const auto id = body ? model_in(*body) : std::unexpected(body.error());
  const auto gpu = id ? gpu_in(*body) : std::unexpected(id.error());
  if (!gpu) {
    return std::unexpected(gpu.error());
  }
  return ask(call, std::move(respond), *id, *gpu, response_to_post);
}

Result<void> post_model_cache(const Call& call, Responder respond) {
  constexpr std::array<std::string_view, 2> kMembers{"model", "size_gb"};
  const auto body = body_with(call.request, kMembers);
  auto id = body ? model_in(*body) : std::unexpected(body.error());
  if (!id) {
    return std::unexpected(id.error());
  }
  TrackModel command{.id = *id, .size = {}};
  if (const auto found = body->find("size_gb"); found != body->end() && !found->is_null()) {
    const auto size = found->is_number() ? estimate::bytes_of_gigabytes(found->get<double>())
                                         : fail(ErrorCode::invalid_argument, "it is not a number",
                                                "give gigabytes, such as 6.0");
    if (!size) {
      return std::unexpected(size.error().within("size_gb"));
    }
    command.size = *size;
  }
  const auto make = [view = call.ports.view, id = *id](const ModelsChanged& changed) {
    const auto after = view();  // Shows the change already: see Ports::command.
    return json_response(ordered_json{{"model", id},
                                      {"hit", changed.hit},
                                      {"cache", after ? model_cache_json(*after) : nullptr}});
  };
  call.ports.command(std::move(command), answer_with<ModelsChanged>(std::move(respond), make));
  return {};
}

Result<void> delete_model_cache(const Call& call, Responder respond) {
  auto id = model_in(call.query);
  if (!id) {
    return std::unexpected(id.error());
  }
  call.ports.command(ForgetModel{*id},
                     answer_with<ModelsChanged>(std::move(respond), [id = *id](const auto&) {
                       return json_response(ordered_json{{"forgotten", id}});
                     }));
  return {};
}

}  // namespace levee::api
