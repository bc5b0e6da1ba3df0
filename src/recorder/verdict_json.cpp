#include <nlohmann/json.hpp>

#include "recorder/reader.hpp"
#include "recorder/verdict.hpp"

namespace levee::recorder {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}
Json bytes_or_null(const std::optional<Bytes>& bytes) {
  return bytes ? Json(bytes->count) : Json();
}
Json time_or_null(const std::optional<WallTime>& time) {
  return time ? Json(to_iso8601(*time)) : Json();
}
Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

std::string_view to_string(Filled::Kind kind) {
  switch (kind) {
    case Filled::Kind::host:
      return "host";
    case Filled::Kind::gpu:
      return "gpu";
    case Filled::Kind::cgroup:
      return "cgroup";
  }
  return "host";
}

Json json_of(const sources::OomKill& kill) {
  return {{"pid", kill.pid},
          {"comm", kill.comm},
          {"uid", or_null(kill.uid)},
          {"rss_bytes", bytes_or_null(kill.rss)},
          {"cgroup", text_or_null(kill.cgroup)},
          {"limit_bytes", bytes_or_null(kill.limit)}};
}

Json json_of(const Incident& incident) {
  Json victims = Json::array();
  for (const sources::OomKill& kill : incident.victims) {
    victims.push_back(json_of(kill));
  }
  return {{"id", incident.id},
          {"kind", to_string(incident.kind)},
          {"timestamp", to_iso8601(incident.at.wall)},
          {"reasons", incident.reasons},
          {"triggers", incident.triggers},
          {"unsaved_before", incident.unsaved_before},
          {"note", text_or_null(incident.note)},
          {"victims", std::move(victims)},
          {"pids", incident.pids},
          {"leases", incident.leases},
          {"gpus", incident.gpus}};
}

Json json_of(const Filled& filled) {
  return {{"kind", to_string(filled.kind)},
          {"name", filled.name},
          {"key", text_or_null(filled.key)},
          {"total_bytes", filled.total.count},
          {"before_bytes", bytes_or_null(filled.before)},
          {"peak_bytes", filled.peak.count},
          {"since", time_or_null(filled.since)},
          {"peak_at", time_or_null(filled.peak_at)},
          {"bytes_per_second", or_null(filled.bytes_per_second)}};
}

Json json_of(const Grower& grower) {
  return {{"pid", grower.pid},
          {"user", text_or_null(grower.user)},
          {"command", grower.command},
          {"gpu", text_or_null(grower.gpu)},
          {"before_bytes", grower.before.count},
          {"peak_bytes", grower.peak.count},
          {"grown_bytes", grower.grown().count},
          {"began", grower.began},
          {"ended", grower.ended},
          {"killed", grower.killed},
          {"lease", text_or_null(grower.lease)}};
}

Json json_of(const UserGrowth& growth) {
  return {{"user", text_or_null(growth.user)}, {"grown_bytes", growth.grown.count}};
}

Json json_of(const OverPromise& over) {
  return {{"lease", over.lease},
          {"name", text_or_null(over.name)},
          {"user", over.user},
          {"resource", over.resource},
          {"promised_bytes", over.promised.count},
          {"used_bytes", over.used.count}};
}

Json json_of(const Happened& happened) {
  return {{"timestamp", happened.at},
          {"kind", happened.kind},
          {"severity", text_or_null(happened.severity)},
          {"message", happened.message}};
}

template <class T>
Json list_of(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) {
    list.push_back(json_of(value));
  }
  return list;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Result<std::string> judge_file(const std::filesystem::path& file) {
  auto reader = Reader::open(file);
  if (!reader) {
    return std::unexpected(std::move(reader.error()));
  }
  Verdict verdict = judge(read_all(*reader));
  verdict.damage = reader->damage();
  return to_json(verdict);
}

std::string to_json(const Verdict& verdict) {
  return dump({{"incident", verdict.incident ? json_of(*verdict.incident) : Json()},
               {"host", verdict.hostname},
               {"version", verdict.version},
               {"from", time_or_null(verdict.from)},
               {"to", time_or_null(verdict.to)},
               {"lost", verdict.lost},
               {"damage", text_or_null(verdict.damage)},
               {"filled", list_of(verdict.filled)},
               {"growers", list_of(verdict.growers)},
               {"users", list_of(verdict.users)},
               {"over_promise", list_of(verdict.over)},
               {"events", list_of(verdict.happened)},
               {"events_left_out", verdict.left_out},
               {"would_have_helped", verdict.helps}});
}

std::string to_json(const std::vector<IncidentDir::Entry>& entries, std::uint64_t unsaved) {
  Json list = Json::array();
  for (const IncidentDir::Entry& entry : entries) {
    Json json = json_of(entry.incident);
    json["size_bytes"] = entry.size.count;
    json["file"] = entry.file.string();
    list.push_back(std::move(json));
  }
  return dump({{"incidents", std::move(list)}, {"unsaved", unsaved}});
}

}  // namespace levee::recorder
