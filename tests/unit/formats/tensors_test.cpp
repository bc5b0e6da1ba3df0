#include "formats/tensors.hpp"

#include <gmock/gmock.h>

using namespace levee;
using namespace levee::formats;
using testing::HasSubstr;

namespace {

constexpr std::uint64_t kMax = UINT64_MAX;

Tensor tensor(std::string name, ElementType type, std::vector<std::uint64_t> shape) {
  return make_tensor(std::move(name), type, std::move(shape)).value();
}

TEST(MakeTensor, CountsValuesAndBytes) {
  EXPECT_EQ(tensor("a", ElementType::bf16, {3, 5}).bytes, Bytes{30});
  EXPECT_EQ(tensor("a", ElementType::q4_k, {512, 4}).bytes, Bytes{8 * 144});
  EXPECT_EQ(tensor("a", ElementType::f4, {3, 2}).bytes, Bytes{3});
}

TEST(MakeTensor, TakesNoDimensionsForOneValue) {
  const Tensor scalar = tensor("a", ElementType::f32, {});
  EXPECT_EQ(scalar.values, 1U);
  EXPECT_EQ(scalar.bytes, Bytes{4});
}

TEST(MakeTensor, TakesAZeroDimensionForNoValues) {
  EXPECT_EQ(tensor("a", ElementType::q4_k, {256, 0}).bytes, Bytes{0});
}

TEST(MakeTensor, TakesTheGreatestSizeThereIs) {
  EXPECT_EQ(tensor("a", ElementType::u8, {kMax}).bytes, Bytes{kMax});
}

TEST(MakeTensor, RefusesSizesBeyond64Bits) {
  const std::vector<std::vector<std::uint64_t>> shapes{
      {kMax, 2}, {1ULL << 32, 1ULL << 32}, {kMax / 4 + 1}, {kMax, kMax, kMax}};
  for (const auto& shape : shapes) {
    const auto made = make_tensor("big", ElementType::f32, shape);
    ASSERT_FALSE(made) << shape_text(shape);
    EXPECT_EQ(made.error().code, ErrorCode::corrupt);
    EXPECT_THAT(made.error().message, HasSubstr("\"big\""));
    EXPECT_FALSE(made.error().hint.empty());
  }
}

TEST(MakeTensor, RefusesPartsOfBlocks) {
  EXPECT_FALSE(make_tensor("a", ElementType::f4, {3}));
  EXPECT_FALSE(make_tensor("a", ElementType::f6_e2m3, {2, 3}));
  EXPECT_FALSE(make_tensor("a", ElementType::q4_k, {}));
}

TEST(MakeTensorList, SumsByType) {
  const auto list = make_tensor_list({tensor("norm", ElementType::f32, {8}),
                                      tensor("a", ElementType::bf16, {100}),
                                      tensor("b", ElementType::bf16, {50, 2})});
  ASSERT_TRUE(list);
  EXPECT_EQ(list->values, 208U);
  EXPECT_EQ(list->bytes, Bytes{432});
  ASSERT_EQ(list->by_type.size(), 2U);
  EXPECT_EQ(list->by_type[0], (TypeTotal{ElementType::bf16, 2, 200, Bytes{400}}));
  EXPECT_EQ(list->by_type[1], (TypeTotal{ElementType::f32, 1, 8, Bytes{32}}));
}

TEST(MakeTensorList, TakesNoTensors) {
  const auto list = make_tensor_list({});
  ASSERT_TRUE(list);
  EXPECT_EQ(list->bytes, Bytes{});
  EXPECT_TRUE(list->by_type.empty());
}

TEST(MakeTensorList, RefusesANameThatIsThereTwice) {
  const auto list =
      make_tensor_list({tensor("a", ElementType::u8, {1}), tensor("b", ElementType::u8, {1}),
                        tensor("a", ElementType::u8, {2})});
  ASSERT_FALSE(list);
  EXPECT_THAT(list.error().message, HasSubstr("\"a\""));
}

TEST(MakeTensorList, RefusesTotalsBeyond64Bits) {
  EXPECT_FALSE(
      make_tensor_list({tensor("a", ElementType::u8, {kMax}), tensor("b", ElementType::u8, {1})}));
  // Values that fit and bytes that do not.
  EXPECT_FALSE(make_tensor_list({tensor("a", ElementType::f32, {kMax / 4}),
                                 tensor("b", ElementType::f32, {kMax / 4}),
                                 tensor("c", ElementType::f32, {1})}));
  // Bytes that fit and values that do not.
  EXPECT_FALSE(make_tensor_list(
      {tensor("a", ElementType::f4, {kMax - 1}), tensor("b", ElementType::f4, {kMax - 1})}));
}

TEST(Quoted, CutsAndCleansWhatAFileSays) {
  EXPECT_EQ(in_quotes("a"), "\"a\"");
  EXPECT_EQ(in_quotes("a\x1b[2Jb\n").find_first_of("\x1b\n"), std::string::npos);
  EXPECT_LT(in_quotes(std::string(10'000, 'x')).size(), 200U);
}

TEST(ShapeText, CutsManyDimensions) {
  EXPECT_EQ(shape_text({}), "[]");
  EXPECT_EQ(shape_text({2, 3}), "[2, 3]");
  EXPECT_LT(shape_text(std::vector<std::uint64_t>(64, kMax)).size(), 250U);
}

}  // namespace
