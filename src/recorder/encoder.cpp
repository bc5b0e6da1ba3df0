#include "recorder/encoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "config/keys.hpp"
#include "recorder/fields.hpp"

namespace levee::recorder {
namespace {

/// By identity's number: a process as it was written last.
using Processes = std::map<std::size_t, ProcessReading>;

std::string to_content(const json& value) {
  std::string content;
  json::to_cbor(value, content);
  return content;
}

bool is_same(const ProcessReading& a, const ProcessReading& b) {
  return a.rss == b.rss && a.pss == b.pss && a.growth_per_second == b.growth_per_second &&
         a.growth_window == b.growth_window && a.read_at == b.read_at;
}

/// The order in which a ProcessSource delivers.
bool comes_before(const ProcessReading& a, const ProcessReading& b) {
  return a.rss != b.rss ? a.rss > b.rss : a.identity->id.pid < b.identity->id.pid;
}

template <class Each>
void figure_fields(Each& each, Is<ProcessReading> auto& reading) {
  each("rss", reading.rss);
  each("pss", reading.pss);
  each("growth_per_second", reading.growth_per_second);
  each("growth_window", reading.growth_window);
  each("read_at", reading.read_at);
}

std::optional<EventKind> parse_event_kind(std::string_view text) {
  constexpr int kMost = 256;  // more than there will ever be; further ones answer as the first
  for (int number = 0; number < kMost; ++number) {
    if (to_string(static_cast<EventKind>(number)) == text) {
      return static_cast<EventKind>(number);
    }
  }
  return std::nullopt;
}

/// Nothing of ours is nested deeper; the parser would spend stack on each of a million brackets.
constexpr int kDeepest = 24;

/// Walks through CBOR without keeping any of it, down to kDeepest.
class DepthCheck : public nlohmann::json_sax<json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return false; }
  bool key(string_t& /*value*/) override { return false; }
  bool end_object() override { return false; }
  bool start_array(std::size_t /*size*/) override { return ++depth_ <= kDeepest; }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t /*place*/, const std::string& /*token*/,
                   const json::exception& /*why*/) override {
    return false;
  }

 private:
  int depth_ = 0;
};

std::unexpected<Error> corrupt(std::string_view what) {
  return fail(ErrorCode::corrupt, fmt::format("a frame makes no sense: {}", what));
}

template <class T>
Result<Item> read_item(const json& from, Identities& identities) {
  T item;
  std::string fault;
  In in(from, identities, fault);
  fields(in, item);
  in.end();
  return fault.empty() ? Result<Item>(std::move(item)) : corrupt(fault);
}

}  // namespace

std::string_view to_string(IncidentKind kind) noexcept {
  switch (kind) {
    case IncidentKind::oom_kill:
      return "oom_kill";
    case IncidentKind::xid:
      return "xid";
    case IncidentKind::job_killed:
      return "job_killed";
    case IncidentKind::emergency:
      return "emergency";
    case IncidentKind::owner_lost:
      return "owner_lost";
    case IncidentKind::on_demand:
      return "on_demand";
  }
  return "on_demand";
}

std::optional<IncidentKind> parse_incident_kind(std::string_view text) noexcept {
  for (int number = 0; number <= static_cast<int>(last_of<IncidentKind>()); ++number) {
    if (to_string(static_cast<IncidentKind>(number)) == text) {
      return static_cast<IncidentKind>(number);
    }
  }
  return std::nullopt;
}

void Redactor::redact(Layers& settings) {
  for (auto& [origin, layer] : settings) {
    for (auto& [name, setting] : layer) {
      const auto key = config::find_key(name);
      auto* const addresses = std::get_if<std::vector<std::string>>(&setting.value);
      if (!key || !(*key)->confidential || addresses == nullptr) {
        continue;
      }
      config::Config scratch;
      static_cast<void>((*key)->apply(scratch, setting.value));  // It was accepted before.
      const config::Value shown = config::public_value(**key, scratch);
      const auto* const hosts = std::get_if<std::vector<std::string>>(&shown);
      for (std::size_t i = 0; i < addresses->size(); ++i) {
        std::string& address = (*addresses)[i];
        const std::string host = hosts != nullptr && i < hosts->size() ? (*hosts)[i] : "";
        if (host == address) {
          continue;
        }
        const int number =
            numbers_.emplace(address, static_cast<int>(numbers_.size()) + 1).first->second;
        const std::size_t end = std::min(host.find('/', host.find("://") + 3), host.size());
        address = fmt::format("{}/address-{}", host.substr(0, end), number);
      }
    }
  }
}

std::string encode_incident(const Incident& incident) {
  Identities identities;
  Out out(identities);
  fields(out, incident);
  return FrameWriter().frame(FrameKind::incident, to_content(out.take()));
}

// --- writing

struct Encoder::Impl {
  FrameWriter frames;
  Identities identities;
  Processes processes;
  json ledger;

  template <class T>
  std::string plain(FrameKind kind, const T& item) {
    Out out(identities);
    fields(out, item);
    return frames.frame(kind, to_content(out.take()));
  }

  std::string encode(const Opening& opening) {
    identities.clear();
    processes.clear();
    ledger = json();
    return plain(FrameKind::opening, opening);
  }
  std::string encode(const TickItem& tick) {
    Out out(identities);
    out("now", tick.now);
    out("host", tick.readings.host);
    json content = out.take();
    content.push_back(written(tick.readings.processes));
    content.push_back(out.written(tick.readings.gpus));
    content.push_back(out.written(tick.readings.troubles));
    content.push_back(out.written(tick.guard));
    content.push_back(out.written(tick.daemon));
    content.push_back(written(tick.daemon.ledger));
    content.push_back(out.written(tick.told));
    return frames.frame(FrameKind::tick, to_content(content));
  }
  std::string encode(const SettingsItem& item) { return plain(FrameKind::settings, item); }
  std::string encode(const EventItem& item) {
    Out out(identities);
    out("kind", std::string(to_string(item.event.kind)));
    out("event", item.event);
    out("told", item.told);
    return frames.frame(FrameKind::event, to_content(out.take()));
  }
  std::string encode(const CommandItem& item) { return plain(FrameKind::command, item); }
  std::string encode(const GapItem& item) { return plain(FrameKind::gap, item); }
  std::string encode(const Incident& item) { return plain(FrameKind::incident, item); }

  /// [seen, who is there no more, who was read anew, the order where it is not the usual one]
  json written(const Result<sources::ProcessScan>& scan) {
    Out out(identities);
    if (!scan) {
      return out.written(scan.error());
    }
    std::set<std::size_t> present;
    std::vector<std::size_t> order;
    json anew = json::array();
    for (const ProcessReading& reading : scan->processes) {
      json who = out.written(reading.identity);
      const std::size_t number = identities.processes.numbers.at(reading.identity.get());
      order.push_back(number);
      present.insert(number);
      const auto known = processes.find(number);
      if (known != processes.end() && is_same(known->second, reading)) {
        continue;
      }
      Out figures(identities);
      figure_fields(figures, reading);
      anew.push_back(json::array({std::move(who), figures.take()}));
      processes.insert_or_assign(number, reading);
    }
    json gone = json::array();
    std::erase_if(processes, [&](const auto& entry) {
      const bool is_gone = !present.contains(entry.first);
      if (is_gone) {
        gone.push_back(entry.first);
      }
      return is_gone;
    });
    const bool is_usual = std::ranges::is_sorted(scan->processes, comes_before);
    return json::array(
        {scan->seen, std::move(gone), std::move(anew), is_usual ? json() : out.written(order)});
  }

  /// Nothing: as before. False: there is none. Else a list of one.
  json written(const std::shared_ptr<const api::LedgerView>& view) {
    Out out(identities);
    json now = view ? json::array({out.written(*view)}) : json(false);
    if (now == ledger) {
      return {};
    }
    ledger = now;
    return now;
  }
};

Encoder::Encoder() : impl_(std::make_unique<Impl>()) {}
Encoder::~Encoder() = default;
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;

std::string Encoder::encode(const Item& item) {
  return std::visit([this](const auto& what) { return impl_->encode(what); }, item);
}

// --- reading

struct Decoder::Impl {
  Identities identities;
  Processes processes;
  std::shared_ptr<const api::LedgerView> ledger;

  Result<Item> read_opening(const json& content) {
    identities.clear();
    processes.clear();
    ledger.reset();
    return read_item<Opening>(content, identities);
  }

  Result<Item> read_event(const json& content) {
    EventItem item;
    std::string kind;
    std::string fault;
    In in(content, identities, fault);
    in("kind", kind);
    in("event", item.event);
    in("told", item.told);
    in.end();
    const auto parsed = parse_event_kind(kind);
    if (!fault.empty() || !parsed) {
      return corrupt(fault.empty() ? "an event is of no known kind" : fault);
    }
    item.event.kind = *parsed;
    return item;
  }

  Result<Item> read_tick(const json& content) {
    constexpr std::size_t kFields = 9;
    if (!content.is_array() || content.size() != kFields) {
      return corrupt("a tick has another number of fields");
    }
    TickItem tick;
    std::string fault;
    In in(content, identities, fault);
    in("now", tick.now);
    in("host", tick.readings.host);
    if (fault.empty()) {
      fault = read_processes(content[2], tick.readings.processes);
    }
    bool good = in.read(content[3], tick.readings.gpus);
    good = in.read(content[4], tick.readings.troubles) && good;
    good = in.read(content[5], tick.guard) && good;
    good = in.read(content[6], tick.daemon) && good;
    good = read_ledger(content[7], in) && good;
    good = in.read(content[8], tick.told) && good;
    tick.daemon.ledger = ledger;
    good = good && std::ranges::none_of(tick.readings.gpus.gpus, [](const GpuReading& gpu) {
             return gpu.identity == nullptr;
           });
    if (!fault.empty() || !good) {
      return corrupt(fault.empty() ? "a tick" : fault);
    }
    return tick;
  }

  bool read_ledger(const json& from, In& in) {
    if (from.is_null()) {
      return true;
    }
    if (from == json(false)) {
      ledger.reset();
      return true;
    }
    auto view = std::make_shared<api::LedgerView>();
    const bool good = from.is_array() && from.size() == 1 && in.read(from[0], *view);
    ledger = std::move(view);
    return good;
  }

  /// What is wrong with them; empty: nothing.
  std::string read_processes(const json& from, Result<sources::ProcessScan>& scan) {
    std::string fault;
    In in(from, identities, fault);
    if (!from.is_array() || from.empty() || from[0].is_string() || from.size() == 3) {
      Error error;
      in.read(from, error);
      scan = std::unexpected(std::move(error));
      return fault;
    }
    scan = sources::ProcessScan{};
    std::vector<std::size_t> gone;
    std::vector<std::size_t> order;
    if (from.size() != 4 || !in.read(from[0], scan->seen) || !in.read(from[1], gone) ||
        !from[2].is_array() || (!from[3].is_null() && !in.read(from[3], order))) {
      return "the processes";
    }
    for (const std::size_t number : gone) {
      processes.erase(number);
    }
    for (const json& entry : from[2]) {
      if (!read_process(entry, in, fault)) {
        return fault.empty() ? "a process" : fault;
      }
    }
    return put_in_order(order, !from[3].is_null(), *scan) ? fault : "the order of the processes";
  }

  bool read_process(const json& entry, In& in, std::string& fault) {
    ProcessReading reading;
    if (!entry.is_array() || entry.size() != 2 || !in.read(entry[0], reading.identity) ||
        reading.identity == nullptr) {
      return false;
    }
    In figures(entry[1], identities, fault);
    figure_fields(figures, reading);
    figures.end();
    const auto& values = identities.processes.values;
    const std::size_t number = entry[0].is_array() ? static_cast<std::size_t>(values.size() - 1)
                                                   : entry[0].get<std::size_t>();
    processes.insert_or_assign(number, std::move(reading));
    return fault.empty();
  }

  bool put_in_order(const std::vector<std::size_t>& order, bool is_unusual,
                    sources::ProcessScan& scan) const {
    scan.processes.reserve(processes.size());
    if (!is_unusual) {
      for (const auto& [number, reading] : processes) {
        scan.processes.push_back(reading);
      }
      std::ranges::sort(scan.processes, comes_before);
      return true;
    }
    for (const std::size_t number : order) {
      const auto found = processes.find(number);
      if (found == processes.end()) {
        return false;
      }
      scan.processes.push_back(found->second);
    }
    return true;
  }
};

Decoder::Decoder() : impl_(std::make_unique<Impl>()) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

Result<Item> Decoder::decode(const Frame& frame) {
  DepthCheck check;
  if (!json::sax_parse(frame.content, &check, json::input_format_t::cbor)) {
    return corrupt("it is no CBOR, or is nested too deep");
  }
  const json content = json::from_cbor(frame.content, true, false);
  if (content.is_discarded()) {
    return corrupt("it is no CBOR");
  }
  switch (frame.kind) {
    case FrameKind::opening:
      return impl_->read_opening(content);
    case FrameKind::tick:
      return impl_->read_tick(content);
    case FrameKind::settings:
      return read_item<SettingsItem>(content, impl_->identities);
    case FrameKind::event:
      return impl_->read_event(content);
    case FrameKind::command:
      return read_item<CommandItem>(content, impl_->identities);
    case FrameKind::gap:
      return read_item<GapItem>(content, impl_->identities);
    case FrameKind::incident:
      return read_item<Incident>(content, impl_->identities);
  }
  return corrupt("it is of no known kind");
}

}  // namespace levee::recorder
