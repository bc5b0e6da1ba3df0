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
                                               cuda::Device device,
                                               std::span<const Piece> pieces) {
  std::unique_ptr<Mapping> mapping(new Mapping(std::move(cuda), device));
  const char* function = "";
  Answer answer = mapping->map(pieces, function);
  if (answer == Answer::invalid_context && mapping->enter() == Answer::success) {
    answer = mapping->map(pieces, function);
  }
  if (answer != Answer::success) {
    return std::unexpected(mapping->cuda_->error(function, answer));
  }
  return mapping;
}

Mapping::Mapping(std::shared_ptr<const CudaLibrary> cuda, cuda::Device device)
    : cuda_(std::move(cuda)), device_(device), owner_(::getpid()) {}

/// What was done before a failure is undone by the destructor, and not done again.
Answer Mapping::map(std::span<const Piece> pieces, const char*& function) {
  const EnteredContext entered(*cuda_, context_);
  Answer answer = Answer::success;
  if (address_ == 0) {
    size_ = std::accumulate(pieces.begin(), pieces.end(), Bytes{},
                            [](Bytes sum, const Piece& piece) { return sum + piece.size; });
    function = "cuMemAddressReserve";
    answer = cuda_->reserve_addresses(&address_, size_.count, 0, 0, 0);
    if (answer != Answer::success) {
      address_ = 0;
      return answer;
    }
  }
  Bytes at;
  for (const Piece& piece : pieces) {
    if (at >= mapped_) {
      function = "cuMemMap";
      answer = cuda_->map(address_ + at.count, piece.size.count, 0, piece.handle, 0);
      if (answer != Answer::success) {
        return answer;
      }
      mapped_ += piece.size;
    }
    at += piece.size;
  }
  function = "cuMemSetAccess";
  const cuda::AccessDescription access{{cuda::LocationType::device, device_}, kReadAndWrite};
  return cuda_->set_access(address_, size_.count, &access, 1);
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
      static_cast<void>(cuda_->unmap(address_, mapped_.count));
    }
    if (address_ != 0) {
      static_cast<void>(cuda_->free_addresses(address_, size_.count));
    }
  }
  if (context_ != nullptr) {
    static_cast<void>(cuda_->release_context(device_));
  }
}

}  // namespace levee::balloon
