#include "api/find_gpu.hpp"

#include <gmock/gmock.h>

#include "unit/api/gpu_fixture.hpp"

namespace levee::api {
namespace {

using testing::HasSubstr;

/// The place of what is found; nothing when it is refused.
std::optional<std::ptrdiff_t> place_of(std::string_view name,
                                       const std::vector<GpuReading>& gpus = {
                                           example_gpu(0), example_instance(), example_gpu(1)}) {
  const auto view = view_with(gpus);
  const auto found = find_gpu(*view, name);
  return found ? std::optional(*found - view->gpus.data()) : std::nullopt;
}

Error refusal_of(std::string_view name, const std::vector<GpuReading>& gpus) {
  const auto view = view_with(gpus);
  const auto found = find_gpu(*view, name);
  EXPECT_FALSE(found) << name;
  return found ? Error{} : found.error();
}

TEST(FindGpu, TakesAnIndexAUuidAndTheBeginningOfOne) {
  EXPECT_EQ(place_of("0"), 0);
  EXPECT_EQ(place_of("1"), 2);
  EXPECT_EQ(place_of("GPU-00000001-aaaa"), 2);
  EXPECT_EQ(place_of("GPU-00000001"), 2);
  EXPECT_EQ(place_of("MIG-1234"), 1) << "instances by their UUID only";
  EXPECT_EQ(place_of("MIG-"), 1);
}

TEST(FindGpu, AWholeUuidIsNoBeginningOfALongerOne) {
  GpuReading longer = example_gpu(1);
  auto who = *longer.identity;
  who.uuid = example_identity(0)->uuid + "-bbbb";
  longer.identity = std::make_shared<const GpuIdentity>(std::move(who));
  EXPECT_EQ(place_of("GPU-00000000-aaaa", {longer, example_gpu(0)}), 1);
}

TEST(FindGpu, RefusesWhatIsNotThereAndNamesWhatIs) {
  for (const char* name : {"2", "-1", "", " ", "0 ", "00", "0x0", "1.0", "GPU", "gpu-00000001",
                           "GPU-9", "+1", "99999999999999999999", "*"}) {
    const Error error = refusal_of(name, {example_gpu(0), example_instance(), example_gpu(1)});
    EXPECT_EQ(error.code, ErrorCode::not_found) << name;
    EXPECT_THAT(error.message, HasSubstr("\"" + std::string(name) + "\""));
    EXPECT_THAT(error.hint, HasSubstr("0, 1;")) << name;
  }
}

TEST(FindGpu, SaysWhereToLookWhenThereIsNone) {
  EXPECT_THAT(refusal_of("0", {}).hint, HasSubstr("levee doctor"));
}

TEST(FindGpu, WantsMoreOfAnAmbiguousUuid) {
  const Error error = refusal_of("GPU-0000000", {example_gpu(0), example_gpu(1)});
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_THAT(error.message, HasSubstr("several"));
}

TEST(FindGpu, ShortensWhatItQuotes) {
  EXPECT_LT(refusal_of(std::string(10'000, 'x'), {}).message.size(), 200U);
}

}  // namespace
}  // namespace levee::api
