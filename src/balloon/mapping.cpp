#include "balloon/mapping.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <numeric>
#include <utility>

namespace levee::balloon {
namespace {

using Answer = cuda::Result;

constexpr unsigned kReadAndWrite = 3;

}  // namespace

Result<std::unique_ptr<Mapping>> Mapping::make(std::shared_ptr<const CudaLibrary> cuda,
                                               cuda::Device device, const Stretch& stretch) {
  std::unique_ptr<Mapping> mapping(new Mapping(std::move(cuda), device, stretch));
  const char* function = "";
  Answer answer = mapping->map(stretch.pieces, function);
  if (answer == Answer::invalid_context && mapping->enter() == Answer::success) {
    answer = mapping->map(stretch.pieces, function);
  }
  if (answer != Answer::success) {
    return std::unexpected(mapping->cuda_->error(function, answer));
  }
  return mapping;
}

Mapping::Mapping(std::shared_ptr<const CudaLibrary> cuda, cuda::Device device,
                 const Stretch& stretch)
    : cuda_(std::move(cuda)),
      device_(device),
      owner_(::getpid()),
      skip_(stretch.skip),
      size_(stretch.size),
      whole_(std::accumulate(stretch.pieces.begin(), stretch.pieces.end(), Bytes{},
                             [](Bytes sum, const Piece& piece) { return sum + piece.size; })) {}

/// What was done before a failure is undone by the destructor, and not done again.
Answer Mapping::map(const std::vector<Piece>& pieces, const char*& function) {
  const EnteredContext entered(*cuda_, context_);
  Answer answer = Answer::success;
  if (range_ == 0) {
    function = "cuMemAddressReserve";
    answer = cuda_->reserve_addresses(&range_, whole_.count, 0, 0, 0);
    if (answer != Answer::success) {
      range_ = 0;
      return answer;
    }
  }
  Bytes at;
  for (const Piece& piece : pieces) {
    if (at >= mapped_) {
      function = "cuMemMap";
      answer = cuda_->map(range_ + at.count, piece.size.count, 0, piece.handle, 0);
      if (answer != Answer::success) {
        return answer;
      }
      mapped_ += piece.size;
    }
    at += piece.size;
  }
  function = "cuMemSetAccess";
  const cuda::AccessDescription access{{cuda::LocationType::device, device_}, kReadAndWrite};
  return cuda_->set_access(range_, whole_.count, &access, 1);
}

Answer Mapping::enter() {
  const Answer answer = cuda_->retain_context(&context_, device_);
  if (answer != Answer::success) {
    context_ = nullptr;
  }
  return answer;
}

Mapping::~Mapping() {
  if (::getpid() != owner_) {
    return;
  }
  {
    const EnteredContext entered(*cuda_, context_);
    if (mapped_ > Bytes{}) {
      static_cast<void>(cuda_->unmap(range_, mapped_.count));
    }
    if (range_ != 0) {
      static_cast<void>(cuda_->free_addresses(range_, whole_.count));
    }
  }
  if (context_ != nullptr) {
    static_cast<void>(cuda_->release_context(device_));
  }
}

}  // namespace levee::balloon
