// The fields of everything that is recorded, each named once, for writing as for reading (see
// archive.hpp). Their order is the format: a change of it needs another kFormat (frames.hpp).
// Internal to the room.
#pragma once

#include "recorder/archive.hpp"

namespace levee::recorder {

using gpus::wire::Is;

template <>
constexpr GpuVendor last_of<GpuVendor>() {
  return GpuVendor::intel;
}
template <>
constexpr GpuCondition last_of<GpuCondition>() {
  return GpuCondition::unreadable;
}
template <>
constexpr ErrorCode last_of<ErrorCode>() {
  return ErrorCode::internal;
}
template <>
constexpr CgroupVersion last_of<CgroupVersion>() {
  return CgroupVersion::v2;
}
template <>
constexpr Severity last_of<Severity>() {
  return Severity::emergency;
}
template <>
constexpr AlertType last_of<AlertType>() {
  return kAlertTypes.back();
}
template <>
constexpr ledger::LeaseKind last_of<ledger::LeaseKind>() {
  return ledger::LeaseKind::worker;
}
template <>
constexpr ledger::Placement last_of<ledger::Placement>() {
  return ledger::Placement::pack;
}
template <>
constexpr ledger::LeaseState last_of<ledger::LeaseState>() {
  return ledger::LeaseState::granted;
}
template <>
constexpr config::Origin last_of<config::Origin>() {
  return config::Origin::runtime;
}
template <>
constexpr IncidentKind last_of<IncidentKind>() {
  return IncidentKind::on_demand;
}

// --- the machine

template <class Each>
void fields(Each& each, Is<Now> auto& now) {
  each("wall", now.wall);
  each("mono", now.mono);
}

template <class Each>
void fields(Each& each, Is<BootId> auto& boot) {
  each("high", boot.high);
  each("low", boot.low);
}

template <class Each>
void fields(Each& each, Is<ProcessId> auto& id) {
  each("boot", id.boot);
  each("pid", id.pid);
  each("start_ticks", id.start_ticks);
}

template <class Each>
void fields(Each& each, Is<ProcessIdentity> auto& who) {
  each("id", who.id);
  each("parent", who.parent);
  each("uid", who.uid);
  each("user", who.user);
  each("comm", who.comm);
  each("command", who.command);
  each("cgroup", who.cgroup);
  each("container", who.container);
  each("pod", who.pod);
  each("slurm_job", who.slurm_job);
  each("container_pid", who.container_pid);
  each("oom_score_adj", who.oom_score_adj);
}

template <class Each>
void fields(Each& each, Is<PressureLine> auto& line) {
  each("avg10", line.avg10);
  each("avg60", line.avg60);
  each("avg300", line.avg300);
  each("total_us", line.total_us);
}

template <class Each>
void fields(Each& each, Is<Pressure> auto& pressure) {
  each("some", pressure.some);
  each("full", pressure.full);
}

template <class Each>
void fields(Each& each, Is<MemoryCeiling> auto& ceiling) {
  each("path", ceiling.path);
  each("version", ceiling.version);
  each("limit", ceiling.limit);
  each("used", ceiling.used);
  each("reclaimable", ceiling.reclaimable);
}

template <class Each>
void fields(Each& each, Is<HostReading> auto& host) {
  each("total", host.total);
  each("available", host.available);
  each("mem_total", host.mem_total);
  each("mem_available", host.mem_available);
  each("mem_free", host.mem_free);
  each("cached", host.cached);
  each("shmem", host.shmem);
  each("swap_total", host.swap_total);
  each("swap_free", host.swap_free);
  each("ceiling", host.ceiling);
  each("pressure", host.pressure);
  each("cpu_percent", host.cpu_percent);
  each("load1", host.load1);
  each("cores", host.cores);
}

/// What GPU processes have beyond what their driver says.
template <class Each>
void attributed_fields(Each& each, Is<GpuProcess> auto& process) {
  each("identity", process.identity);
  each("rss", process.rss);
  each("cpu_percent", process.cpu_percent);
  each("growth_per_second", process.growth_per_second);
  each("is_balloon", process.is_balloon);
}

template <class Each>
void attributed_fields(Each& each, Is<GpuMemory> auto& memory) {
  each("balloons", memory.balloons);
}

template <class Each>
void fields(Each& each, Is<gpus::GpuScan> auto& scan) {
  each("gpus", scan.gpus);
  each("xids", scan.xids);
  each("troubles", scan.troubles);
  each("is_known", scan.is_known);
}

// --- Levee itself

template <class Each>
void fields(Each& each, Is<api::GuardView> auto& guard) {
  each("available", guard.available);
  each("line", guard.line);
  each("at_line", guard.at_line);
  each("interval", guard.interval);
  each("looks", guard.looks);
  each("victims", guard.victims);
  each("fill_bytes_per_second", guard.fill_bytes_per_second);
}

template <class Each>
void fields(Each& each, Is<sources::SelfUse> auto& use) {
  each("rss", use.rss);
  each("cpu_seconds", use.cpu_seconds);
  each("threads", use.threads);
}

/// Without its ledger, which the encoder writes only when it is another.
template <class Each>
void fields(Each& each, Is<api::DaemonView> auto& daemon) {
  each("pid", daemon.pid);
  each("started", daemon.started);
  each("self", daemon.self);
  each("cpu_percent", daemon.cpu_percent);
  each("tick_time", daemon.tick_time);
  each("ticks", daemon.ticks);
  each("commands_dropped", daemon.commands_dropped);
}

template <class Each>
void fields(Each& each, Is<config::Setting> auto& setting) {
  each("value", setting.value);
  each("where", setting.where);
}

// --- the ledger

template <class Each>
void fields(Each& each, Is<ledger::DeviceShare> auto& share) {
  each("uuid", share.uuid);
  each("bytes", share.bytes);
}

template <class Each>
void fields(Each& each, Is<ledger::Demand> auto& demand) {
  each("kind", demand.kind);
  each("named", demand.named);
  each("any_devices", demand.any_devices);
  each("bytes_each", demand.bytes_each);
  each("placement", demand.placement);
  each("least_capability", demand.least_capability);
  each("host", demand.host);
  each("priority", demand.priority);
  each("yieldable", demand.yieldable);
  each("obeys_limit", demand.obeys_limit);
  each("within", demand.within);
  each("step", demand.step);
}

template <class Each>
void fields(Each& each, Is<Prediction> auto& prediction) {
  each("model", prediction.model);
  each("framework", prediction.framework);
  each("is_training", prediction.is_training);
  each("fills_memory", prediction.fills_memory);
  each("fixed", prediction.fixed);
  each("soft", prediction.soft);
  each("low", prediction.low);
  each("expected", prediction.expected);
  each("high", prediction.high);
}

template <class Each>
void fields(Each& each, Is<ledger::Lease> auto& lease) {
  each("id", lease.id);
  each("name", lease.name);
  each("demand", lease.demand);
  each("state", lease.state);
  each("shares", lease.shares);
  each("used_before", lease.used_before);
  each("owner", lease.owner);
  each("uid", lease.uid);
  each("prediction", lease.prediction);
  each("ticket", lease.ticket);
  each("asked", lease.asked);
  each("granted", lease.granted);
  each("give_up_at", lease.give_up_at);
  each("ttl", lease.ttl);
  each("expires_at", lease.expires_at);
}

template <class Each>
void fields(Each& each, Is<ledger::Use> auto& use) {
  each("devices", use.devices);
  each("host", use.host);
}

template <class Each>
void fields(Each& each, Is<api::LeaseReport> auto& report) {
  each("lease", report.lease);
  each("place", report.place);
  each("user", report.user);
  each("used", report.used);
  each("peak", report.peak);
}

template <class Each>
void fields(Each& each, Is<api::DeviceLine> auto& line) {
  each("uuid", line.uuid);
  each("index", line.index);
  each("name", line.name);
  each("capacity", line.capacity);
  each("promised", line.promised);
  each("committed", line.committed);
  each("unaccounted", line.unaccounted);
  each("outstanding", line.outstanding);
  each("available", line.available);
  each("limit", line.limit);
  each("limited", line.limited);
  each("why_not", line.why_not);
}

/// Without its record of jobs that are over: estimates learn from it, no event tells it.
template <class Each>
void fields(Each& each, Is<api::LedgerView> auto& ledger) {
  each("leases", ledger.leases);
  each("devices", ledger.devices);
  each("host_capacity", ledger.host_capacity);
  each("host_available", ledger.host_available);
  each("host_outstanding", ledger.host_outstanding);
  each("durable", ledger.durable);
  each("trouble", ledger.trouble);
}

// --- what happens

template <class Each>
void fields(Each& each, Is<Culprit> auto& culprit) {
  each("id", culprit.id);
  each("user", culprit.user);
  each("comm", culprit.comm);
  each("command", culprit.command);
  each("rss", culprit.rss);
  each("gpu_memory", culprit.gpu_memory);
  each("growth_per_second", culprit.growth_per_second);
}

template <class Each>
void fields(Each& each, Is<Alert> auto& alert) {
  each("id", alert.id);
  each("type", alert.type);
  each("severity", alert.severity);
  each("value", alert.value);
  each("threshold", alert.threshold);
  each("message", alert.message);
  each("recommendations", alert.recommendations);
  each("gpu_id", alert.gpu_id);
  each("gpu_uuid", alert.gpu_uuid);
  each("culprit", alert.culprit);
  each("timestamp", alert.timestamp);
  each("resolved_at", alert.resolved_at);
  each("last_active", alert.last_active);
  each("last_critical", alert.last_critical);
}

/// Without its kind, which is written by name: more of them come with time.
template <class Each>
void fields(Each& each, Is<Event> auto& event) {
  each("id", event.id);
  each("at", event.at);
  each("severity", event.severity);
  each("message", event.message);
  each("alert", event.alert);
  each("details", event.details);
}

template <class Each>
void fields(Each& each, Is<estimate::Requirements> auto& requirements) {
  each("host", requirements.host);
  each("gpu", requirements.gpu);
  each("min_compute", requirements.min_compute);
  each("recommended_batch", requirements.recommended_batch);
  each("notes", requirements.notes);
}

template <class Each>
void fields(Each& each, Is<api::RegisterModel> auto& command) {
  each("id", command.id);
  each("requirements", command.requirements);
}

template <class Each>
void fields(Each& each, Is<api::RemoveModel> auto& command) {
  each("id", command.id);
}

template <class Each>
void fields(Each& each, Is<api::TrackModel> auto& command) {
  each("id", command.id);
  each("size", command.size);
}

template <class Each>
void fields(Each& each, Is<api::ForgetModel> auto& command) {
  each("id", command.id);
}

// --- the recording

template <class Each>
void fields(Each& each, Is<Opening> auto& opening) {
  each("version", opening.version);
  each("recording", opening.recording);
  each("number", opening.number);
  each("hostname", opening.hostname);
  each("boot", opening.boot);
  each("at", opening.at);
  each("next_event_id", opening.next_event_id);
  each("settings", opening.settings);
  each("active", opening.active);
}

template <class Each>
void fields(Each& each, Is<SettingsItem> auto& item) {
  each("settings", item.settings);
  each("now", item.now);
  each("told", item.told);
}

template <class Each>
void fields(Each& each, Is<CommandItem> auto& item) {
  each("command", item.command);
  each("now", item.now);
}

template <class Each>
void fields(Each& each, Is<GapItem> auto& gap) {
  each("lost", gap.lost);
}

template <class Each>
void fields(Each& each, Is<sources::OomKill> auto& victim) {
  each("pid", victim.pid);
  each("comm", victim.comm);
  each("uid", victim.uid);
  each("rss", victim.rss);
  each("cgroup", victim.cgroup);
  each("own_cgroup", victim.own_cgroup);
  each("limit", victim.limit);
}

template <class Each>
void fields(Each& each, Is<Incident> auto& incident) {
  each("id", incident.id);
  each("kind", incident.kind);
  each("at", incident.at);
  each("reasons", incident.reasons);
  each("triggers", incident.triggers);
  each("unsaved_before", incident.unsaved_before);
  each("note", incident.note);
  each("victims", incident.victims);
  each("pids", incident.pids);
  each("leases", incident.leases);
  each("gpus", incident.gpus);
}

}  // namespace levee::recorder
