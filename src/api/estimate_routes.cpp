// Handlers of /api/v1/estimate and /api/v1/models/{model}/requirements.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/calibration_json.hpp"
#include "api/estimate_request.hpp"
#include "api/find_gpu.hpp"
#include "api/model_json.hpp"
#include "api/route.hpp"
#include "config/models.hpp"
#include "estimate/calibration.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;

/// What may still be promised of the GPU called `uuid`, or of the one with most.
std::optional<Bytes> available_on(const LedgerView& ledger,
                                  const std::optional<std::string>& uuid) {
  std::optional<Bytes> most;
  for (const DeviceLine& device : ledger.devices) {
    if (!uuid || device.uuid == *uuid) {
      most = std::max(most.value_or(Bytes{}), device.available);
    }
  }
  return most;
}

/// Where a GPU's memory is given it may be another machine's, which these jobs say nothing of.
EstimateQuestion with_correction(EstimateQuestion question, std::span<const JobRecord> records) {
  if (!question.gpu_memory) {
    question.job.correction = estimate::correction_for(estimate::learn(records), question.job);
  }
  return question;
}

/// Takes the member "gpu" out of the body; its UUID, if there is one.
Result<std::optional<std::string>> take_gpu(const Call& call, ordered_json& body) {
  const auto found = body.find("gpu");
  if (found == body.end() || found->is_null()) {
    body.erase("gpu");
    return std::nullopt;
  }
  if (!found->is_string() && !found->is_number_unsigned()) {
    return fail(ErrorCode::invalid_argument, "\"gpu\" is neither an index nor a UUID",
                R"(send 0, or "GPU-…")");
  }
  if (!call.view) {
    return fail(ErrorCode::unavailable, "nothing has been measured yet", "ask again in a second");
  }
  const auto gpu =
      find_gpu(*call.view, found->is_string() ? found->get<std::string>() : found->dump());
  if (!gpu) {
    return std::unexpected(gpu.error());
  }
  body.erase("gpu");
  return (*gpu)->reading->identity->uuid;
}

}  // namespace

Result<void> post_estimate(const Call& call, Responder respond) {
  auto body = parse_object(call.request.body);
  if (!body) {
    return std::unexpected(body.error());
  }
  const auto gpu = take_gpu(call, *body);
  if (!gpu) {
    return std::unexpected(gpu.error());
  }
  auto question = estimate_question(*body);
  if (!question) {
    return std::unexpected(question.error());
  }
  call.ports.ledger.show([respond = std::move(respond), question = std::move(*question),
                          gpu = *gpu](const Result<std::shared_ptr<const LedgerView>>& ledger) {
    respond_with(respond, [&] {
      if (!ledger) {
        return json_response(estimate_json(question, std::nullopt));
      }
      return json_response(estimate_json(with_correction(question, *(*ledger)->record),
                                         available_on(**ledger, gpu)));
    });
  });
  return {};
}

Result<void> get_calibration(const Call& call, Responder respond) {
  call.ports.ledger.show(answer_to<std::shared_ptr<const LedgerView>>(
      std::move(respond), [](const std::shared_ptr<const LedgerView>& ledger) {
        return json_response(calibration_json(*ledger->record));
      }));
  return {};
}

Result<void> delete_calibration(const Call& call, Responder respond) {
  call.ports.ledger.forget([respond = std::move(respond)](const Result<void>& forgotten) {
    respond_with(respond, [&] {
      return forgotten ? json_response({{"success", true}}) : error_response(forgotten.error());
    });
  });
  return {};
}

Result<Response> get_requirements(const Call& call) {
  const std::string* const model = call.query.find("model");
  const std::string id = model == nullptr ? "" : *model;
  if (const auto good = estimate::check_model_id(id); !good) {
    return std::unexpected(good.error());
  }
  if (!config::is_printable(id)) {
    return fail(ErrorCode::invalid_argument, "the model's name is not UTF-8",
                "encode it as UTF-8, then for the address with percent signs");
  }
  const estimate::Lookup lookup = models_of(*call.view).find(id);
  ordered_json json{{"model", id},
                    {"match", estimate::to_string(lookup.match)},
                    {"entry", lookup.model.id},
                    {"origin", estimate::to_string(lookup.model.origin)}};
  json.update(to_json(lookup.model.requirements));
  json["warning"] = lookup.warning;
  const auto question = estimate_question({{"model", id}});
  json["estimate"] = question ? estimate_json(*question, std::nullopt) : ordered_json();
  return json_response(json);
}

}  // namespace levee::api
