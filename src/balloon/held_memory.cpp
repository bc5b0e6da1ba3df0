#include "balloon/held_memory.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace levee::balloon {
namespace {

Bytes rounded(Bytes size, Bytes unit) { return Bytes{size.count / unit.count * unit.count}; }

/// "9728 MB", "512 KB": megabytes as the callers write them.
std::string in_mb(Bytes size) {
  return size.count % kMiB == 0 || size.count > kGiB ? fmt::format("{} MB", size.count / kMiB)
                                                     : format_bytes(size);
}

}  // namespace

HeldMemory::HeldMemory(std::unique_ptr<DeviceMemory> memory, Bytes chunk_size)
    : memory_(std::move(memory)), chunk_size_(chunk_size) {}

Bytes HeldMemory::rounded_up(Bytes size) const noexcept {
  const Bytes unit = memory_->granularity();
  return rounded(size + Bytes{unit.count - 1}, unit);
}

Result<void> HeldMemory::resize(Bytes wanted, const Progress& progress) {
  auto done = rounded_up(wanted) > in_chunks_ ? grow(wanted, progress) : shrink(wanted);
  requested_ = done ? wanted : std::min(requested_, in_chunks_);
  leave_if_empty();
  return done;
}

Bytes HeldMemory::release() noexcept {
  drop_from(0);
  close();
  leave_if_empty();
  return std::exchange(requested_, Bytes{});
}

Result<Bytes> HeldMemory::resolve_total(const Amount& amount) {
  return amount.is_share() ? share_of(amount, in_chunks_) : amount.resolve(Bytes{});
}

Result<Bytes> HeldMemory::resolve_additional(const Amount& amount) {
  const Result<Bytes> more =
      amount.is_share() ? share_of(amount, Bytes{}) : Result<Bytes>(amount.resolve(Bytes{}));
  return more ? Result<Bytes>(requested_ + *more) : more;
}

Result<Bytes> HeldMemory::share_of(const Amount& amount, Bytes more) {
  // The context comes first: it takes of what is free.
  if (auto prepared = memory_->prepare(); !prepared) {
    return std::unexpected(std::move(prepared.error()));
  }
  const auto figures = memory_->figures();
  if (!figures) {
    return std::unexpected(figures.error());
  }
  if (!figures->free) {
    return fail(
        ErrorCode::unavailable,
        fmt::format("GPU {} does not tell how much of its memory is free", memory_->gpu().gpu_id),
        "name a size, such as \"2GB\", in place of a share");
  }
  // A byte more, because 0.7 is less than seven tenths: 70 % of 10240 MB are to be 7168.
  const Bytes whole = *figures->free + more;
  const Bytes share =
      rounded(std::min(amount.resolve(whole) + Bytes{1}, whole), memory_->granularity());
  if (share == Bytes{}) {
    return std::unexpected(out_of_memory(memory_->granularity(), *figures->free));
  }
  return share;
}

Result<void> HeldMemory::grow(Bytes wanted, const Progress& progress) {
  if (auto prepared = memory_->prepare(); !prepared) {
    return prepared;
  }
  const std::size_t before = chunks_.size();
  auto grown = add_chunks(rounded_up(wanted), progress);
  if (!grown) {
    drop_from(before);
  }
  return grown;
}

Result<void> HeldMemory::add_chunks(Bytes wanted, const Progress& progress) {
  // What cannot fit is not even begun: filling a GPU to the brim hurts everybody on it.
  const auto figures = memory_->figures();
  if (!figures) {
    return std::unexpected(figures.error());
  }
  if (figures->free && *figures->free < wanted - in_chunks_) {
    return std::unexpected(out_of_memory(wanted - in_chunks_, *figures->free));
  }
  Bytes piece = rounded_up(chunk_size_);
  while (in_chunks_ < wanted) {
    const Bytes missing = wanted - in_chunks_;
    piece = std::min(piece, missing);
    chunks_.reserve(chunks_.size() + 1);  // so that add() cannot fail
    const auto chunk = memory_->create(piece);
    if (chunk) {
      add(*chunk);
      if (progress && !progress(in_chunks_, wanted)) {
        return fail(ErrorCode::timed_out,
                    fmt::format("growing to {} on GPU {} was stopped at {}", in_mb(wanted),
                                memory_->gpu().gpu_id, in_mb(in_chunks_)),
                    "as much is held as before; give it more time, or use larger chunks");
      }
    } else if (piece > memory_->granularity() &&
               may_fit_in_smaller_pieces(chunk.error(), missing)) {
      piece = rounded_up(Bytes{piece.count / 2});
    } else if (chunk.error().code == ErrorCode::resource_exhausted) {
      const auto now = memory_->figures();
      return std::unexpected(out_of_memory(missing, now ? now->free.value_or(Bytes{}) : Bytes{}));
    } else {
      return std::unexpected(chunk.error());
    }
  }
  return {};
}

/// The driver refuses a piece though enough is free for all that is missing: memory is fragmented.
bool HeldMemory::may_fit_in_smaller_pieces(const Error& error, Bytes missing) const {
  if (error.code != ErrorCode::resource_exhausted) {
    return false;
  }
  const auto figures = memory_->figures();
  return figures && (!figures->free || *figures->free >= missing);
}

Error HeldMemory::out_of_memory(Bytes missing, Bytes free) const {
  const auto figures = memory_->figures();
  const auto total = figures ? figures->total : std::nullopt;
  return {
      ErrorCode::resource_exhausted,
      fmt::format(
          "CUDA out of memory: GPU {} cannot give {}{}: {} free{}", memory_->gpu().gpu_id,
          in_mb(missing),
          in_chunks_ == Bytes{} ? "" : fmt::format(" beside the {} held", in_mb(in_chunks_)),
          in_mb(free), total ? fmt::format(" of {}", in_mb(*total)) : ""),
      "ask for less (reserve_mb, reserve_fraction), or look who holds the memory: levee status"};
}

Result<void> HeldMemory::shrink(Bytes wanted) {
  const Bytes target = rounded_up(wanted);
  // The largest first: fewer calls, and freeing may be slow.
  std::ranges::sort(chunks_, std::greater{}, &Chunk::size);
  Bytes excess = in_chunks_ - target;
  for (std::size_t i = 0; i < chunks_.size();) {
    const Bytes size = chunks_.at(i).size;
    if (size <= excess && drop(i)) {
      excess -= size;
    } else {
      ++i;
    }
  }
  if (open_ && chunks_.empty() && excess > Bytes{}) {
    const Bytes rest = open_->chunk.size - open_->taken;
    open_->taken += excess;
    in_chunks_ -= excess;
    if (excess == rest) {
      close();
    }
    return {};
  }
  // What is left over is smaller than every chunk that could be dropped.
  return excess == Bytes{} || chunks_.empty() || chunks_.back().size <= excess ? Result<void>{}
                                                                               : split_last(excess);
}

/// To split a chunk on a full GPU would leave a gap. So the last one is mapped whole and stays
/// open: the next one to take is given its rest, by mapping it a second time.
Result<std::unique_ptr<Mapping>> HeldMemory::take(Bytes bytes) {
  const Bytes size = rounded_up(bytes);
  if (size == Bytes{} || size > in_chunks_) {
    return fail(size == Bytes{} ? ErrorCode::invalid_argument : ErrorCode::resource_exhausted,
                fmt::format("{} cannot be taken of a balloon that holds {}", in_mb(bytes),
                            in_mb(in_chunks_)),
                "take at most what it holds, and allocate the rest");
  }
  Mapping::Stretch stretch{.pieces = {}, .skip = {}, .size = size};
  Bytes covered;
  if (open_) {
    stretch.pieces.push_back({open_->chunk.handle, open_->chunk.size});
    stretch.skip = open_->taken;
    covered = open_->chunk.size - open_->taken;
  }
  std::size_t first = chunks_.size();
  while (covered < size) {
    const Chunk& chunk = chunks_.at(--first);
    stretch.pieces.push_back({chunk.handle, chunk.size});
    covered += chunk.size;
  }
  auto mapping = memory_->map(stretch);
  if (!mapping) {
    return mapping;
  }
  // The mapping keeps what the handles stand for, but for the rest of the last piece.
  const bool has_rest = covered > size;
  if (open_ && (!has_rest || first < chunks_.size())) {
    static_cast<void>(memory_->release(open_->chunk));
    open_.reset();
  }
  if (has_rest) {
    open_ = Open{.chunk = open_ ? open_->chunk : chunks_.at(first), .taken = {}};
    open_->taken = open_->chunk.size - (covered - size);
  }
  for (std::size_t i = chunks_.size(); i > first; --i) {
    const bool is_open = has_rest && i - 1 == first;
    if (!is_open) {
      static_cast<void>(memory_->release(chunks_.at(i - 1)));
    }
    chunks_.pop_back();
  }
  in_chunks_ -= size;
  requested_ = std::min(requested_ - bytes, in_chunks_);
  leave_if_empty();
  return mapping;
}

/// The rest of an open chunk is free when what was taken of it is.
void HeldMemory::close() noexcept {
  if (open_) {
    static_cast<void>(memory_->release(open_->chunk));
    in_chunks_ -= open_->chunk.size - open_->taken;
    open_.reset();
  }
}

void HeldMemory::leave_if_empty() noexcept {
  if (chunks_.empty() && !open_) {
    memory_->leave();
  }
}

/// Gives back a part of the last chunk. Its other part is allocated first, so that nobody finds
/// more free than was to be given back; only where there is no room for that, it comes second.
Result<void> HeldMemory::split_last(Bytes give_back) {
  const Chunk whole = chunks_.back();
  const Bytes target = in_chunks_ - give_back;
  chunks_.reserve(chunks_.size() + 1);
  const auto rest = memory_->create(whole.size - give_back);
  if (rest) {
    add(*rest);
    static_cast<void>(drop(chunks_.size() - 2));
    return {};
  }
  if (rest.error().code != ErrorCode::resource_exhausted) {
    return std::unexpected(rest.error());
  }
  if (!drop(chunks_.size() - 1)) {
    return {};
  }
  auto regained = add_chunks(target, {});
  if (!regained) {
    regained.error().message +=
        " (somebody took it while a chunk was split, for want of room to split it without a gap)";
  }
  return regained;
}

void HeldMemory::add(const Chunk& chunk) {
  chunks_.push_back(chunk);
  in_chunks_ += chunk.size;
}

/// False when the driver would not take the chunk back: then it is still ours.
bool HeldMemory::drop(std::size_t index) noexcept {
  const auto chunk = chunks_.begin() + static_cast<std::ptrdiff_t>(index);
  if (!memory_->release(*chunk)) {
    return false;
  }
  in_chunks_ -= chunk->size;
  chunks_.erase(chunk);
  return true;
}

void HeldMemory::drop_from(std::size_t first) noexcept {
  for (std::size_t i = chunks_.size(); i > first; --i) {
    static_cast<void>(drop(i - 1));
  }
}

}  // namespace levee::balloon
