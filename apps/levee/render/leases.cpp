#include "render/leases.hpp"

#include <fmt/format.h>

#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee::cli {
namespace {

constexpr const char* kUnknown = "-";

std::optional<Bytes> bytes_at(const Json& json, std::string_view name) {
  const Json& value = member_at(json, name);
  return value.is_number_unsigned() ? std::optional(Bytes{value.get<std::uint64_t>()})
                                    : std::nullopt;
}

std::string amount(const Json& json, std::string_view name) {
  const auto bytes = bytes_at(json, name);
  return bytes ? format_bytes(*bytes) : kUnknown;
}

/// "GPU 0", or its UUID where it has no number.
std::string gpu_of(const Json& share) {
  const Json& index = member_at(share, "gpu_id");
  return index.is_number_integer() ? fmt::format("GPU {}", index.get<std::int64_t>())
                                   : text_at(share, "uuid").value_or("a GPU");
}

void append(std::string& text, const std::string& part) {
  text += (text.empty() ? "" : ", ") + part;
}

std::string gpus_text(const Json& gpus) {
  std::string text;
  for (const Json& share : gpus) {
    append(text, fmt::format("{} on {}", amount(share, "bytes"), gpu_of(share)));
  }
  return text;
}

std::string user_of(const Json& lease) { return text_at(lease, "user").value_or(kUnknown); }

std::string whole_number(const Json& lease, std::string_view name) {
  const Json& number = member_at(lease, name);
  return number.is_number_integer() ? fmt::format("{}", number.get<std::int64_t>()) : kUnknown;
}

/// The largest of what it uses and has used.
std::string used_of(const Json& lease, const char* when) {
  std::string text;
  for (const Json& share : list_at(lease, when, "gpus")) {
    append(text, amount(share, "bytes"));
  }
  const auto host = bytes_at(member_at(lease, when), "host_bytes");
  if (bytes_at(lease, "host_bytes").value_or(Bytes{}).count > 0 && host) {
    append(text, format_bytes(*host));
  }
  return text.empty() ? kUnknown : text;
}

std::string room_line(const Json& gpu) {
  if (const auto why = text_at(gpu, "why_not")) {
    return fmt::format("{} ({}): {}", gpu_of(gpu), text_at(gpu, "name").value_or("?"), *why);
  }
  return fmt::format("{} ({}): {} available of {}; promised {}, in use beside that {}", gpu_of(gpu),
                     text_at(gpu, "name").value_or("?"), amount(gpu, "available_bytes"),
                     amount(gpu, "capacity_bytes"), amount(gpu, "promised_bytes"),
                     amount(gpu, "unaccounted_bytes"));
}

std::string time_left(const Json& lease, const char* name) {
  constexpr double kEver = 1e12;  // No wait is so long, and a whole number can hold it.
  const auto seconds = number_at(lease, name);
  return seconds && *seconds >= 0 && *seconds < kEver
             ? format_duration(std::chrono::seconds(static_cast<std::int64_t>(*seconds)))
             : kUnknown;
}

/// "asked for 12.0 GiB on GPU 0, used 9.80 GiB at most (82 %)".
std::string compared(Bytes asked, Bytes peak, const std::string& where) {
  return fmt::format("asked for {} {}, used {} at most ({:.0f} %)", format_bytes(asked), where,
                     format_bytes(peak), percent_of(peak, asked));
}

}  // namespace

std::string amounts_of(const Json& lease) {
  std::string text = gpus_text(list_at(lease, "gpus"));
  const Json& demand = member_at(lease, "demand");
  if (text.empty()) {
    const Json& gpus = member_at(demand, "gpus");
    text = gpus.is_array() ? gpus_text(gpus) : "";
    if (gpus.is_number_unsigned()) {
      const auto count = gpus.get<std::uint64_t>();
      append(text, fmt::format("{} on {}", amount(demand, "gpu_memory_bytes"),
                               count == 1 ? "any GPU" : fmt::format("{} GPUs each", count)));
    }
  }
  if (const auto host = bytes_at(demand, "host_bytes"); host && host->count > 0) {
    append(text, format_bytes(*host) + " of host memory");
  }
  return text.empty() ? kUnknown : text;
}

std::string peak_of(const Json& lease) {
  std::string text;
  for (const Json& share : list_at(lease, "gpus")) {
    const auto asked = bytes_at(share, "bytes");
    for (const Json& peak : list_at(lease, "peak", "gpus")) {
      const auto used = bytes_at(peak, "bytes");
      if (asked && used && text_at(peak, "uuid") == text_at(share, "uuid")) {
        append(text, compared(*asked, *used, "on " + gpu_of(share)));
      }
    }
  }
  const auto host = bytes_at(lease, "host_bytes");
  const auto peak = bytes_at(member_at(lease, "peak"), "host_bytes");
  if (host && host->count > 0 && peak && peak->count > 0) {
    append(text, compared(*host, *peak, "of host memory"));
  }
  return text;
}

std::string render_leases(const Json& ledger, const Style& style) {
  const Json& leases = list_at(ledger, "leases");
  std::string text;
  if (leases.empty()) {
    text += line({{"no leases"}}, style);
  } else {
    Table table({"ID", "USER", "PID", "KIND", "PROMISED", "USED", "PEAK", "NAME"});
    for (const Json& lease : leases) {
      table.add({{text_at(lease, "id").value_or("?")},
                 {user_of(lease)},
                 {whole_number(lease, "owner_pid")},
                 {text_at(lease, "kind").value_or("?")},
                 {amounts_of(lease)},
                 {used_of(lease, "used")},
                 {used_of(lease, "peak")},
                 {text_at(lease, "name").value_or("")}});
    }
    text += table.text(style);
  }
  for (const Json& gpu : list_at(ledger, "gpus")) {
    text += line({{room_line(gpu), Color::gray}}, style);
  }
  text += line({{fmt::format("host: {} available of {}",
                             amount(member_at(ledger, "host"), "available_bytes"),
                             amount(member_at(ledger, "host"), "capacity_bytes")),
                 Color::gray}},
               style);
  if (number_at(ledger, "waiting").value_or(0) > 0) {
    text +=
        line({{whole_number(ledger, "waiting") + " waiting: `levee queue`", Color::orange}}, style);
  }
  if (const auto trouble = text_at(ledger, "trouble")) {
    text += line({{"trouble: ", Color::orange}, {*trouble}}, style);
  }
  return text;
}

std::string render_queue(const Json& queue, const Style& style) {
  const Json& line_of_all = list_at(queue, "queue");
  if (line_of_all.empty()) {
    return line({{"nobody waits"}}, style);
  }
  Table table({"PLACE", "ID", "USER", "PID", "PRIORITY", "ASKS FOR", "GIVES UP IN", "NAME"});
  for (const Json& lease : line_of_all) {
    table.add({{whole_number(lease, "place")},
               {text_at(lease, "id").value_or("?")},
               {user_of(lease)},
               {whole_number(lease, "owner_pid")},
               {whole_number(lease, "priority")},
               {amounts_of(lease)},
               {time_left(lease, "gives_up_in_seconds")},
               {text_at(lease, "name").value_or("")}});
  }
  return table.text(style);
}

}  // namespace levee::cli
