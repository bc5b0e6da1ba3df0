#include "levee/memory_spec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace levee {
namespace {

using testing::HasSubstr;

Bytes of_free(const MemorySpec& spec, Bytes free = gib(10)) {
  const auto amount = spec.amount();
  EXPECT_TRUE(amount.has_value()) << amount.error().message;
  return amount ? amount->resolve(free) : Bytes{};
}

Error refused(const Result<Amount>& amount) {
  EXPECT_FALSE(amount.has_value());
  return amount ? Error{} : amount.error();
}

TEST(MemorySpec, MeansWhatItsTypeSays) {
  EXPECT_EQ(of_free(2000), mib(2000));
  EXPECT_EQ(of_free(2000ULL), mib(2000));
  EXPECT_EQ(of_free(0.5), gib(5));
  EXPECT_EQ(of_free(0.5F), gib(5));
  EXPECT_EQ(of_free("2GB"), gib(2));
  EXPECT_EQ(of_free(std::string("2.5GB")), mib(2560));
  EXPECT_EQ(of_free(std::string_view("2048MB")), gib(2));
  EXPECT_EQ(of_free("75%"), mib(7680));
  EXPECT_EQ(of_free("2000"), mib(2000));
  EXPECT_EQ(of_free(Bytes{12345}), Bytes{12345});
}

TEST(MemorySpec, IsNeitherTrueNorALetter) {
  static_assert(!std::is_constructible_v<MemorySpec, bool>);
  static_assert(!std::is_constructible_v<MemorySpec, char>);
  static_assert(std::is_constructible_v<MemorySpec, unsigned char>);
}

TEST(MemorySpec, RefusesWhatIsNoAmount) {
  for (const MemorySpec& spec :
       std::vector<MemorySpec>{0, -1, std::numeric_limits<std::int64_t>::min(), ~std::uint64_t{0},
                               0.0, -0.5, 1.5, std::numeric_limits<double>::quiet_NaN(), "", "0.5",
                               "2 bananas", "-2GB", "0MB", "101%", "0%", Bytes{}}) {
    const Error error = refused(spec.amount());
    EXPECT_EQ(error.code, ErrorCode::invalid_argument) << error.message;
    EXPECT_FALSE(error.hint.empty()) << error.message;
  }
}

TEST(MemorySpec, AsAShareTakesOneForAllAndRefusesSizes) {
  EXPECT_EQ(MemorySpec(1).share()->resolve(gib(3)), gib(3));
  EXPECT_EQ(MemorySpec("50%").share()->resolve(gib(3)), mib(1536));
  EXPECT_THAT(refused(MemorySpec("2GB").share()).message, HasSubstr("2.00 GiB is a size"));
  EXPECT_THAT(refused(MemorySpec(80).share()).message, HasSubstr("80 is not a fraction"));
  EXPECT_EQ(refused(MemorySpec(0).share()).code, ErrorCode::invalid_argument);
}

TEST(MemorySpecs, AreOneForAllOrOneForEach) {
  const MemorySpecs all = "1GB";
  const MemorySpecs each = {4000, "50%", 0.25};
  EXPECT_EQ(all.spread(3)->size(), 3U);
  EXPECT_EQ(of_free(each.spread(3)->at(0)), mib(4000));
  EXPECT_EQ(of_free(each.spread(3)->at(2)), mib(2560));
  EXPECT_FALSE(MemorySpecs{}.is_given());
  EXPECT_TRUE(all.is_given());
}

TEST(MemorySpecs, RefuseAListOfAnotherLength) {
  const MemorySpecs each = {4000, 2000};
  for (const std::size_t count : {0U, 1U, 3U}) {
    const auto spread = each.spread(count);
    ASSERT_FALSE(spread.has_value());
    EXPECT_THAT(spread.error().message, HasSubstr("2 amounts for"));
  }
  EXPECT_FALSE(MemorySpecs(std::vector<MemorySpec>{}).spread(1).has_value());
  EXPECT_FALSE(MemorySpecs({MemorySpec(1000)}).spread(2).has_value());
}

}  // namespace
}  // namespace levee
