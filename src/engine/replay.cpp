#include "engine/replay.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "engine/engine.hpp"

namespace levee::engine {
namespace {

using Json = nlohmann::ordered_json;
using recorder::Item;
using SharedSettings = std::shared_ptr<const config::Settings>;

Result<SharedSettings> settings_of(const recorder::Layers& layers, const config::Values& others) {
  auto settings = config::Settings::of_layers(layers);
  if (!settings) {
    return std::unexpected(settings.error().within("the recorded settings"));
  }
  if (!others.empty()) {
    settings = settings->with_runtime(others);
    if (!settings) {
      return std::unexpected(
          settings.error().within("these settings together with the recorded ones"));
    }
  }
  return std::make_shared<const config::Settings>(std::move(*settings));
}

/// One engine, and the events it brings forth.
class Life {
 public:
  explicit Life(const config::Values& others) : others_(others) {}

  [[nodiscard]] Result<void> feed(const Item& item) {
    return std::visit([this](const auto& what) { return live(what); }, item);
  }
  [[nodiscard]] std::vector<std::string> take() { return std::move(events_); }

 private:
  Result<void> live(const recorder::Opening& opening) {
    if (engine_ && recording_ == opening.recording) {
      return {};  // Where a reader could begin; we are there already.
    }
    auto settings = settings_of(opening.settings, others_);
    if (!settings) {
      return std::unexpected(std::move(settings.error()));
    }
    recording_ = opening.recording;
    engine_ =
        std::make_unique<Engine>(std::move(*settings), opening.hostname, opening.next_event_id);
    return {};
  }
  Result<void> live(const recorder::TickItem& tick) {
    if (engine_) {
      for (const Told& told :
           engine_->tick(tick.readings, tick.guard, tick.daemon, tick.now).events) {
        events_.push_back(told->json);
      }
    }
    return {};
  }
  Result<void> live(const recorder::SettingsItem& item) {
    auto settings = settings_of(item.settings, others_);
    if (!settings) {
      return std::unexpected(std::move(settings.error()));
    }
    if (engine_) {
      events_.push_back(engine_->apply(std::move(*settings), item.now)->json);
    }
    return {};
  }
  Result<void> live(const recorder::EventItem& item) {
    if (engine_) {
      events_.push_back(engine_->record(item.event)->json);
    }
    return {};
  }
  Result<void> live(const recorder::CommandItem& item) {
    if (engine_) {
      const api::Command command =
          std::visit([](const auto& what) { return api::Command(what); }, item.command);
      static_cast<void>(engine_->models().execute(command, item.now));
    }
    return {};
  }
  Result<void> live(const recorder::GapItem& /*gap*/) { return {}; }
  Result<void> live(const recorder::Incident& /*incident*/) { return {}; }

  const config::Values& others_;
  std::string recording_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::string> events_;
};

/// Keeps what the recording itself says.
void note(const Item& item, Replayed& replayed) {
  if (const auto* opening = std::get_if<recorder::Opening>(&item)) {
    if (replayed.hostname.empty()) {
      replayed.hostname = opening->hostname;
      replayed.version = opening->version;
      replayed.from_start = opening->number == 0;
    }
  } else if (const auto* tick = std::get_if<recorder::TickItem>(&item)) {
    ++replayed.ticks;
    replayed.from = replayed.from.value_or(tick->now.wall);
    replayed.to = tick->now.wall;
    std::ranges::copy(tick->told, std::back_inserter(replayed.recorded));
  } else if (const auto* event = std::get_if<recorder::EventItem>(&item)) {
    replayed.recorded.push_back(event->told);
  } else if (const auto* settings = std::get_if<recorder::SettingsItem>(&item)) {
    replayed.recorded.push_back(settings->told);
  } else if (std::holds_alternative<recorder::GapItem>(item)) {
    ++replayed.gaps;
  }
}

// --- beside each other

/// An event as it is compared and shown: numbers given in passing are no difference.
struct Shown {
  Json json;
  std::string key;
  std::uint64_t alert = 0;  ///< Its id; 0: it is no alert that fired.
};

Shown shown_of(const std::string& text) {
  Shown shown{.json = Json::parse(text, nullptr, false), .key = {}, .alert = 0};
  if (!shown.json.is_object()) {
    return {.json = Json::object(), .key = text, .alert = 0};
  }
  Json bare = shown.json;
  bare.erase("id");
  const auto alert = bare.find("alert");
  if (alert != bare.end() && alert->is_object()) {
    if (bare.value("kind", "") == "alert") {
      shown.alert = alert->value("id", std::uint64_t{0});
    }
    alert->erase("id");
  }
  shown.key = bare.dump(-1, ' ', false, Json::error_handler_t::replace);
  return shown;
}

std::vector<Shown> shown_of(const std::vector<std::string>& events) {
  std::vector<Shown> all;
  all.reserve(events.size());
  for (const std::string& event : events) {
    all.push_back(shown_of(event));
  }
  return all;
}

std::string time_of(const Shown& event) { return event.json.value("timestamp", ""); }

Json row_of(const Shown& event, bool before, bool after) {
  return {{"timestamp", time_of(event)},
          {"kind", event.json.value("kind", "")},
          {"severity", event.json.contains("severity") ? event.json["severity"] : Json()},
          {"message", event.json.value("message", "")},
          {"before", before},
          {"after", after}};
}

/// All events of both, in order of time.
Json rows_of(const std::vector<Shown>& before, const std::vector<Shown>& after) {
  std::map<std::string, std::size_t> waiting;
  for (const Shown& event : after) {
    ++waiting[event.key];
  }
  std::map<std::string, std::size_t> common;
  std::vector<std::pair<std::string, Json>> rows;
  for (const Shown& event : before) {
    const bool is_common = waiting[event.key] > 0;
    if (is_common) {
      --waiting[event.key];
      ++common[event.key];
    }
    rows.emplace_back(time_of(event), row_of(event, true, is_common));
  }
  for (const Shown& event : after) {
    if (common[event.key] > 0) {
      --common[event.key];
      continue;
    }
    rows.emplace_back(time_of(event), row_of(event, false, true));
  }
  std::ranges::stable_sort(rows, {}, [](const auto& row) { return row.first; });
  Json list = Json::array();
  for (auto& [time, row] : rows) {
    list.push_back(std::move(row));
  }
  return list;
}

Json counts_of(const std::vector<Shown>& before, const std::vector<Shown>& after) {
  std::map<std::string, std::pair<std::size_t, std::size_t>> counts;
  for (const Shown& event : before) {
    ++counts[event.json.value("kind", "")].first;
  }
  for (const Shown& event : after) {
    ++counts[event.json.value("kind", "")].second;
  }
  Json json = Json::object();
  for (const auto& [kind, count] : counts) {
    json[kind] = {{"before", count.first}, {"after", count.second}};
  }
  return json;
}

/// Alerts that fired, each once, however often it was repeated; and when the first did.
struct Alerts {
  std::set<std::uint64_t> ids;
  std::optional<std::string> first;
};

Alerts alerts_in(const std::vector<Shown>& events) {
  Alerts alerts;
  for (const Shown& event : events) {
    if (event.alert != 0) {
      alerts.ids.insert(event.alert);
      alerts.first = alerts.first.value_or(time_of(event));
    }
  }
  return alerts;
}

std::string counted(std::size_t count) {
  return count == 1 ? "1 alert" : fmt::format("{} alerts", count);
}

std::string summary_of(const Alerts& before, const Alerts& after) {
  std::string text =
      before.ids.size() == after.ids.size()
          ? fmt::format("with these settings: {}, as before", counted(after.ids.size()))
          : fmt::format("with these settings: {} instead of {}", counted(after.ids.size()),
                        before.ids.size());
  const auto then = before.first ? parse_iso8601(*before.first) : std::nullopt;
  const auto now = after.first ? parse_iso8601(*after.first) : std::nullopt;
  if (then && now && *then != *now) {
    const auto gap =
        std::chrono::round<std::chrono::seconds>(*then > *now ? *then - *now : *now - *then);
    text +=
        fmt::format(", the first {} {}", format_duration(gap), *then > *now ? "earlier" : "later");
  }
  return text;
}

}  // namespace

Result<Replayed> replay(recorder::Reader& reader, const config::Values& others,
                        const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  Replayed replayed;
  const config::Values none;
  Life same(none);
  Life other(others);
  while (const auto item = reader.next()) {
    note(*item, replayed);
    if (auto fed = same.feed(*item); !fed) {
      return std::unexpected(std::move(fed.error()));
    }
    if (auto fed = others.empty() ? Result<void>{} : other.feed(*item); !fed) {
      return std::unexpected(std::move(fed.error()));
    }
    if (progress) {
      progress(reader.bytes_read(), reader.bytes_in_all());
    }
  }
  replayed.damage = reader.damage();
  replayed.same = same.take();
  replayed.other = others.empty() ? replayed.same : other.take();
  return replayed;
}

std::string to_json(const Replayed& replayed, bool has_others) {
  // Where the beginning is missing, both sides begin alike: what the engine did not know then is no
  // difference between settings.
  const bool compares_replays = has_others && !replayed.is_exact();
  const auto before = shown_of(compares_replays ? replayed.same : replayed.recorded);
  const auto after = shown_of(replayed.other);
  const Json json{
      {"host", replayed.hostname},
      {"version", replayed.version},
      {"from", replayed.from ? Json(to_iso8601(*replayed.from)) : Json()},
      {"to", replayed.to ? Json(to_iso8601(*replayed.to)) : Json()},
      {"ticks", replayed.ticks},
      {"from_start", replayed.from_start},
      {"gaps", replayed.gaps},
      {"damage", replayed.damage.empty() ? Json() : Json(replayed.damage)},
      {"exact", replayed.is_exact()},
      {"has_other_settings", has_others},
      {"before", compares_replays ? "replayed" : "recorded"},
      {"counts", counts_of(before, after)},
      {"summary", has_others ? Json(summary_of(alerts_in(before), alerts_in(after))) : Json()},
      {"events", rows_of(before, after)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace levee::engine
