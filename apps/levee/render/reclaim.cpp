#include "render/reclaim.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee::cli {
namespace {

std::string bytes_of(const std::optional<double>& value) {
  return value ? format_bytes(Bytes{static_cast<std::uint64_t>(std::max(0.0, *value))}) : "-";
}

std::string device_of(const Json& json) {
  const auto index = number_at(json, "gpu_id");
  return index ? fmt::format("GPU {:.0f}", *index) : text_at(json, "device").value_or("?");
}

std::string offers_of(const Json& client) {
  std::string text;
  for (const Json& offer : list_at(client, "offers")) {
    const auto estimate = number_at(offer, "estimate_bytes");
    text += fmt::format("{}{} on {}{}", text.empty() ? "" : ", ",
                        text_at(offer, "strategy").value_or("?"), device_of(offer),
                        estimate ? fmt::format(" ({})", bytes_of(estimate)) : "");
  }
  return text.empty() ? "nothing" : text;
}

std::string seconds_of(const Json& json, const char* name) {
  const auto seconds = number_at(json, name);
  return seconds ? format_duration(std::chrono::seconds(std::llround(*seconds))) : std::string();
}

Span state_of(const Json& client) {
  const std::string state = text_at(client, "state").value_or("?");
  if (state == "passed_over") {
    return {fmt::format("passed over for {}", seconds_of(client, "passed_over_seconds")),
            Color::red};
  }
  return {state, state == "ready" ? Color::green : Color::orange};
}

std::string record_of(const Json& client) {
  const auto count = [&](const char* name) {
    return number_at(client, "record", name).value_or(0);
  };
  if (count("asked") == 0) {
    return "never asked";
  }
  std::string text = fmt::format("asked {:.0f}, freed {}", count("asked"),
                                 bytes_of(number_at(client, "record", "freed_bytes")));
  for (const auto& [name, shown] : {std::pair{"refused", "refused"},
                                    {"failed", "failed"},
                                    {"timed_out", "hung"},
                                    {"lied", "lied"}}) {
    if (count(name) > 0) {
      text += fmt::format(", {} {:.0f}", shown, count(name));
    }
  }
  return text;
}

std::string measured_of(const Json& answer) {
  const auto fell = number_at(answer, "process", "fell_by_bytes");
  if (!fell) {
    return "what it uses could not be measured";
  }
  const std::string from_to =
      fmt::format("from {} to {}", bytes_of(number_at(answer, "process", "before_bytes")),
                  bytes_of(number_at(answer, "process", "after_bytes")));
  return fmt::format("its use {} by {}, {}", *fell >= 0 ? "fell" : "rose",
                     bytes_of(std::abs(*fell)), from_to);
}

}  // namespace

std::string render_reclaim_clients(const Json& answer, const Style& style) {
  const Json& clients = list_at(answer, "clients");
  if (clients.empty()) {
    return line({{"no process has said that it can give memory back", Color::gray}}, style);
  }
  Table table({"CLIENT", "PID", "USER", "PRIORITY", "STATE", "RECORD", "NAME", "OFFERS"});
  for (const Json& client : clients) {
    table.add({{text_at(client, "id").value_or("?"), Color::bold},
               {fmt::format("{:.0f}", number_at(client, "pid").value_or(0))},
               {text_at(client, "user").value_or("-")},
               {fmt::format("{:.0f}", number_at(client, "priority").value_or(0))},
               state_of(client),
               {record_of(client)},
               {text_at(client, "name").value_or("-")},
               {offers_of(client)}});
  }
  return table.text(style);
}

std::string render_reclaim_answer(const Json& answer, const Style& style) {
  const std::string who =
      fmt::format("{} (pid {:.0f}, {})", text_at(answer, "client").value_or("?"),
                  number_at(answer, "pid").value_or(0), text_at(answer, "name").value_or("?"));
  const std::string result = text_at(answer, "result").value_or("?");
  std::string text;
  if (result == "done") {
    const std::string verdict = text_at(answer, "verdict").value_or("?");
    text += line({{fmt::format("{} says that it freed {} of {}", who,
                               bytes_of(number_at(answer, "said_bytes")), device_of(answer))}},
                 style);
    text += line({{measured_of(answer)},
                  {verdict == "lied"     ? ": that is not what it said"
                   : verdict == "honest" ? ": as it said"
                                         : ": nobody can tell",
                   verdict == "lied"     ? Color::red
                   : verdict == "honest" ? Color::green
                                         : Color::orange}},
                 style);
  } else {
    const auto deadline = number_at(answer, "deadline_ms").value_or(0);
    text += line(
        {{result == "refused"     ? fmt::format("{} refused", who)
          : result == "failed"    ? fmt::format("{} failed", who)
          : result == "timed_out" ? fmt::format("{} did not answer within {:.0f} ms", who, deadline)
                                  : fmt::format("{} is gone", who),
          Color::orange}},
        style);
  }
  if (const auto message = text_at(answer, "message")) {
    text += line({{fmt::format("it says: {}", *message)}}, style);
  }
  if (const std::string left = seconds_of(answer, "passed_over_seconds"); !left.empty()) {
    text += line({{fmt::format("it is not asked again for {}", left), Color::red}}, style);
  }
  return text;
}

}  // namespace levee::cli
