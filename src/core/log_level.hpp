// LogLevel: how important a message is in the log. Emergencies count as errors.
#pragma once

namespace levee {

enum class LogLevel { debug, info, warning, error };

}  // namespace levee
