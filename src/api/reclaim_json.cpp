#include "api/reclaim_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/json_parts.hpp"

namespace levee::api {
namespace {

using nlohmann::ordered_json;
using reclaim::Asked;
using reclaim::Client;
using reclaim::Offer;
using reclaim::Record;
using reclaim::Totals;
using reclaim::Weight;

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json() : ordered_json(text);
}

ordered_json index_of(std::string_view uuid, const View* view) {
  if (view != nullptr) {
    for (const GpuView& gpu : view->gpus) {
      if (gpu.reading->identity->uuid == uuid) {
        return gpu.reading->identity->index;
      }
    }
  }
  return {};
}

ordered_json offer_json(const Offer& offer, const View* view) {
  return {{"strategy", to_string(offer.strategy)},
          {"device", offer.device},
          {"gpu_id", index_of(offer.device, view)},
          {"estimate_bytes", bytes_or_null(offer.estimate)}};
}

ordered_json record_json(const Record& record) {
  return {{"asked", record.asked},
          {"done", record.done},
          {"refused", record.refused},
          {"failed", record.failed},
          {"timed_out", record.hung},
          {"late", record.late},
          {"lied", record.lied},
          {"said_bytes", record.said.count},
          {"freed_bytes", record.measured.count}};
}

ordered_json seconds_left(const std::optional<MonoTime>& until, MonoTime now) {
  if (!until || *until <= now) {
    return {};
  }
  return round_to(Seconds(*until - now).count(), 3);
}

std::string_view state_of(const Client& client, MonoTime now) {
  return client.busy ? "busy" : client.record.is_passed_over(now) ? "passed_over" : "ready";
}

ordered_json client_json(const Client& client, const View* view, MonoTime now) {
  ordered_json offers = ordered_json::array();
  for (const Offer& offer : client.offers) {
    offers.push_back(offer_json(offer, view));
  }
  return {{"id", client.id},
          {"pid", client.caller.process.pid},
          {"user", client.caller.user},
          {"uid", client.caller.uid},
          {"name", client.name},
          {"lease", text_or_null(client.account)},
          {"priority", client.priority},
          {"state", state_of(client, now)},
          {"passed_over_seconds", seconds_left(client.record.passed_over_until, now)},
          {"since", to_iso8601(client.since)},
          {"offers", std::move(offers)},
          {"record", record_json(client.record)}};
}

ordered_json totals_json(const Totals& totals) {
  return {{"done", totals.done},
          {"refused", totals.refused},
          {"failed", totals.failed},
          {"timed_out", totals.timed_out},
          {"gone", totals.gone},
          {"lied", totals.lied},
          {"freed_bytes", totals.freed.count}};
}

/// What was measured before and after; null where it was not.
ordered_json change_json(const Asked& asked, std::optional<Bytes> Weight::* figure) {
  const auto before = asked.before ? (*asked.before).*figure : std::nullopt;
  const auto after = asked.after ? (*asked.after).*figure : std::nullopt;
  ordered_json fell;
  if (before && after) {
    fell = static_cast<std::int64_t>(before->count) - static_cast<std::int64_t>(after->count);
  }
  return {{"before_bytes", bytes_or_null(before)},
          {"after_bytes", bytes_or_null(after)},
          {"fell_by_bytes", std::move(fell)}};
}

}  // namespace

ordered_json roster_json(const reclaim::Roster& roster, const View* view, MonoTime now) {
  ordered_json clients = ordered_json::array();
  for (const Client& client : roster.clients) {
    clients.push_back(client_json(client, view, now));
  }
  return {{"clients", std::move(clients)},
          {"totals", totals_json(roster.totals)},
          {"turned_away", roster.turned_away}};
}

ordered_json asked_json(const Asked& asked, const View* view, MonoTime now) {
  const bool is_done = asked.outcome == reclaim::Outcome::done;
  return {{"request", asked.number},
          {"client", asked.client.id},
          {"pid", asked.client.caller.process.pid},
          {"user", asked.client.caller.user},
          {"name", asked.client.name},
          {"strategy", to_string(asked.ask.strategy)},
          {"device", asked.ask.device},
          {"gpu_id", index_of(asked.ask.device, view)},
          {"asked_bytes", asked.ask.bytes.count},
          {"deadline_ms", asked.ask.deadline.count()},
          {"result", to_string(asked.outcome)},
          {"said_bytes", is_done ? ordered_json(asked.said.count) : ordered_json()},
          {"message", text_or_null(asked.message)},
          {"took_ms", asked.took.count()},
          {"process", change_json(asked, &Weight::process)},
          {"device_used", change_json(asked, &Weight::used)},
          {"verdict", is_done ? ordered_json(to_string(asked.verdict)) : ordered_json()},
          {"passed_over_seconds", seconds_left(asked.passed_over_until, now)}};
}

}  // namespace levee::api
