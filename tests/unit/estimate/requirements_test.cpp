#include "estimate/requirements.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace levee::estimate {
namespace {

using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Requirements needs(Bytes host, Bytes gpu) {
  Requirements requirements;
  requirements.host = host;
  requirements.gpu = gpu;
  return requirements;
}

struct Row {
  std::string_view id;
  double cpu_gb;
  double gpu_gb;
  double compute;
  int batch;
};

void expect_row(const Row& row) {
  const Lookup found = ModelRegistry{}.find(row.id);
  const Requirements& model = found.model.requirements;
  EXPECT_EQ(found.match, Match::exact) << row.id;
  EXPECT_EQ(found.model.origin, Origin::builtin) << row.id;
  EXPECT_EQ(to_gb(model.host), row.cpu_gb) << row.id;
  EXPECT_EQ(to_gb(model.gpu), row.gpu_gb) << row.id;
  EXPECT_EQ(model.min_compute, capability_of(row.compute).value()) << row.id;
  EXPECT_EQ(model.recommended_batch, row.batch) << row.id;
  EXPECT_EQ(found.warning, "") << row.id;
}

TEST(ModelRegistry, HasTheDocumentedModels) {
  expect_row({"facebook/musicgen-small", 3.0, 6.0, 6.0, 2});
  expect_row({"facebook/musicgen-medium", 6.0, 12.0, 7.0, 1});
  expect_row({"facebook/musicgen-large", 12.0, 24.0, 8.0, 1});
  EXPECT_EQ(ModelRegistry{}.models().size(), 6U);
}

TEST(ModelRegistry, HasTheDocumentedGenericSizes) {
  expect_row({"small", 2.0, 4.0, 6.0, 4});
  expect_row({"medium", 4.0, 8.0, 7.0, 2});
  expect_row({"large", 8.0, 16.0, 7.5, 1});
}

TEST(ModelRegistry, TakesTheGenericSizeThatTheNameSays) {
  struct Case {
    std::string id;
    std::string_view entry;
  };
  const Case cases[] = {
      {"openai/whisper-small", "small"},
      {"openai/whisper-LARGE-v3", "large"},
      {"Medium", "medium"},
      {"SMALL", "small"},
      {"roberta-xlarge", "large"},
      {"Facebook/musicgen-small", "small"},
      {"facebook/musicgen-small-stereo", "small"},
      {"large-lab/tiny", "large"},
      {"large-lab/tiny-small", "small"},
      {"bert-small-large", "large"},
      {"a/large/b/small", "small"},
      {"large/", "large"},
      {"x/" + std::string(9'990, 'y') + "medium", "medium"},
  };
  for (const Case& each : cases) {
    const Lookup found = ModelRegistry{}.find(each.id);
    EXPECT_EQ(found.model.id, each.entry) << each.id;
    EXPECT_EQ(found.match, Match::by_size) << each.id;
    EXPECT_EQ(found.warning, "") << each.id;
  }
}

TEST(ModelRegistry, TakesWhatItDoesNotKnowForMediumAndSaysSo) {
  for (const std::string& id :
       {std::string("meta/llama"), std::string(), std::string("/"), std::string("smal-l"),
        std::string("medi um"), std::string("\xFF\xFE"), std::string(10'240, 'x')}) {
    const Lookup found = ModelRegistry{}.find(id);
    EXPECT_EQ(found.model.id, "medium") << id;
    EXPECT_EQ(found.match, Match::unknown) << id;
    EXPECT_THAT(found.warning, HasSubstr("is not known; it is taken for a medium model")) << id;
    EXPECT_LT(found.warning.size(), 200U) << "a long name is cut";
  }
  EXPECT_THAT(ModelRegistry{}.find("a\nb\x1B[2J").warning, HasSubstr("\"a?b?[2J\""));
}

TEST(ModelRegistry, AddsReplacesAndRemovesCustomModels) {
  ModelRegistry registry;
  ASSERT_TRUE(registry.put("my/model", needs(gib(1), gib(2))));
  EXPECT_EQ(registry.find("my/model").model.origin, Origin::api);
  EXPECT_EQ(registry.find("my/model").match, Match::exact);
  EXPECT_EQ(registry.find("My/model").match, Match::unknown) << "names are case-sensitive";

  ASSERT_TRUE(registry.put("my/model", needs(gib(3), gib(4))));
  EXPECT_EQ(registry.find("my/model").model.requirements.host, gib(3));
  EXPECT_EQ(registry.models().size(), 7U);

  ASSERT_TRUE(registry.remove("my/model"));
  EXPECT_EQ(registry.find("my/model").match, Match::unknown);
  EXPECT_EQ(registry.models().size(), 6U);
}

TEST(ModelRegistry, ShowsWhatLiesBelowWhenACustomModelIsRemoved) {
  ModelRegistry registry;
  registry.set_configured({{"small", needs(gib(1), gib(1))}, {"mine", needs(gib(1), gib(1))}});
  ASSERT_TRUE(registry.put("small", needs(gib(9), gib(9))));
  EXPECT_EQ(registry.find("tiny-small").model.requirements.gpu, gib(9)) << "generic rows, too";
  ASSERT_TRUE(registry.remove("small"));
  EXPECT_EQ(registry.find("small").model.origin, Origin::config);
  registry.set_configured({});
  EXPECT_EQ(registry.find("small").model.origin, Origin::builtin);
  EXPECT_EQ(registry.find("mine").match, Match::unknown) << "a reload forgets what is gone";
}

TEST(ModelRegistry, RefusesToRemoveWhatItWasNotTold) {
  ModelRegistry registry;
  registry.set_configured({{"mine", needs(gib(1), gib(1))}});
  EXPECT_EQ(registry.remove("nobody").error().code, ErrorCode::not_found);
  EXPECT_EQ(registry.remove("").error().code, ErrorCode::not_found);
  EXPECT_THAT(registry.remove("mine").error().message, HasSubstr("configuration file"));
  EXPECT_THAT(registry.remove("large").error().message, HasSubstr("\"large\" is built in"));
  EXPECT_EQ(registry.models().size(), 7U);
}

TEST(ModelRegistry, RefusesNonsenseWithItsValue) {
  ModelRegistry registry;
  const auto message = [&](const Requirements& bad) {
    const auto put = registry.put("x", bad);
    return put ? std::string("accepted") : put.error().message;
  };
  EXPECT_THAT(message(needs({}, {})), HasSubstr("0 GB"));
  EXPECT_THAT(message(needs(Bytes{~0ULL}, {})), HasSubstr("is not a number of GB"));
  EXPECT_THAT(message(needs({}, Bytes{65'536 * kGiB + kGiB})), HasSubstr("65537"));
  Requirements bad = needs(gib(1), gib(1));
  bad.recommended_batch = 0;
  EXPECT_THAT(message(bad), HasSubstr("0 is not a batch size"));
  bad.recommended_batch = -3;
  EXPECT_THAT(message(bad), HasSubstr("-3 is not a batch size"));
  bad = needs(gib(1), gib(1));
  bad.min_compute = ComputeCapability{7, 12};
  EXPECT_THAT(message(bad), HasSubstr("7.12 is not a compute capability"));
  bad.min_compute = ComputeCapability{-1, 0};
  EXPECT_THAT(message(bad), HasSubstr("-1.0"));
  bad = needs(gib(1), gib(1));
  bad.notes = std::string(kLongestNotes + 1, 'n');
  EXPECT_THAT(message(bad), HasSubstr("1025 bytes"));
  EXPECT_EQ(registry.models().size(), 6U) << "nothing of it was kept";
}

TEST(ModelRegistry, RefusesNamesThatAreNone) {
  ModelRegistry registry;
  const Requirements good = needs(gib(1), {});
  EXPECT_THAT(registry.put("", good).error().message, HasSubstr("empty"));
  const auto too_long = registry.put(std::string(10'240, 'x'), good);
  EXPECT_THAT(too_long.error().message, HasSubstr("10240 bytes"));
  EXPECT_LT(too_long.error().message.size(), 200U);
  EXPECT_THAT(registry.put("a\tb", good).error().message, HasSubstr("control characters"));
  EXPECT_THAT(registry.put(std::string_view("a\0b", 3), good).error().message,
              HasSubstr("control characters"));
  EXPECT_TRUE(registry.put(std::string(kLongestId, 'x'), good));
  EXPECT_TRUE(registry.put("模型/小", good));
}

TEST(ModelRegistry, IsBounded) {
  ModelRegistry registry;
  for (std::size_t i = 0; i < kMostModels; ++i) {
    ASSERT_TRUE(registry.put("m" + std::to_string(i), needs(gib(1), {})));
  }
  const auto one_more = registry.put("one-more", needs(gib(1), {}));
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().code, ErrorCode::resource_exhausted);
  EXPECT_TRUE(registry.put("m7", needs(gib(2), {}))) << "replacing needs no room";
  ASSERT_TRUE(registry.remove("m8"));
  EXPECT_TRUE(registry.put("one-more", needs(gib(1), {})));
}

MemoryProfile profile_of(std::string name, Bytes base) {
  return {.name = std::move(name),
          .base_usage = base,
          .per_batch_usage = mib(50),
          .per_token_usage = kib(3)};
}

TEST(ModelRegistry, HasBothViewsOfAModelInOneEntry) {
  ModelRegistry registry;
  ASSERT_TRUE(registry.put("m", needs(gib(1), gib(2))));
  EXPECT_EQ(registry.find("m").model.profile, std::nullopt);
  ASSERT_TRUE(registry.put_profile(profile_of("m", gib(7))));
  const Model both = registry.find("m").model;
  EXPECT_EQ(both.requirements, needs(gib(1), gib(2))) << "what was required stays";
  EXPECT_EQ(both.profile, profile_of("m", gib(7)));
  EXPECT_EQ(registry.profile("m"), both.profile);
  EXPECT_EQ(registry.models().size(), 7U);
  ASSERT_TRUE(registry.put("m", needs(gib(3), gib(4))));
  EXPECT_EQ(registry.profile("m"), both.profile) << "nor does put() take the profile away";
  ASSERT_TRUE(registry.remove("m"));
  EXPECT_EQ(registry.profile("m"), std::nullopt);
  EXPECT_EQ(registry.find("m").match, Match::unknown);
}

TEST(ModelRegistry, TakesTheRequirementsOfAModelThatHasButAProfileFromIt) {
  ModelRegistry registry;
  ASSERT_TRUE(registry.put_profile(profile_of("m", gib(7))));
  const Lookup found = registry.find("m");
  EXPECT_EQ(found.match, Match::exact);
  EXPECT_EQ(found.model.requirements.gpu, gib(7) + mib(56)) << "one sequence of 2048 tokens";
  EXPECT_EQ(found.model.requirements.host, Bytes{});
  EXPECT_TRUE(check(found.model.requirements));
  const Bytes most{64 * kTiB};
  EXPECT_TRUE(check(requirements_of({"x", most, most, most})));
  EXPECT_TRUE(check(requirements_of({"x", {}, {}, Bytes{1}})));
}

TEST(ModelRegistry, LayersEachViewForItself) {
  ModelRegistry registry;
  registry.set_configured({{"small", needs(gib(1), gib(1))}});
  ASSERT_TRUE(registry.put_profile(profile_of("small", gib(7))));
  const Model model = registry.find("small").model;
  EXPECT_EQ(model.requirements, needs(gib(1), gib(1)));
  EXPECT_EQ(model.origin, Origin::api);
  EXPECT_EQ(registry.models().at("small"), model);
  registry.set_configured({});
  EXPECT_EQ(registry.find("small").model.requirements.gpu, gib(4)) << "the built-in row";
  EXPECT_EQ(registry.find("small").model.profile, profile_of("small", gib(7)));
}

TEST(ModelRegistry, GetsTheDefaultProfilesWhenAsked) {
  ModelRegistry registry;
  EXPECT_EQ(registry.profile("llama2-13b"), std::nullopt);
  ASSERT_TRUE(registry.put_profile(profile_of("llama2-7b", gib(3))));
  const std::vector built_in{profile_of("llama2-7b", gib(14)), profile_of("llama2-13b", gib(26))};
  registry.add_built_in(built_in);
  registry.add_built_in(built_in);
  EXPECT_EQ(registry.models().size(), 6U + built_in.size());
  ASSERT_TRUE(registry.profile("llama2-13b"));
  EXPECT_EQ(registry.profile("llama2-7b")->base_usage, gib(3)) << "what somebody gave hides it";
  ASSERT_TRUE(registry.remove("llama2-7b"));
  EXPECT_GT(registry.profile("llama2-7b")->base_usage, gib(3));
  EXPECT_FALSE(registry.remove("llama2-13b")) << "it is built in";
}

TEST(ModelRegistry, HasNoGenericProfiles) {
  ModelRegistry registry;
  ASSERT_TRUE(registry.put_profile(profile_of("small", gib(7))));
  EXPECT_EQ(registry.profile("tiny-small"), std::nullopt);
  EXPECT_EQ(registry.profile(""), std::nullopt);
  EXPECT_EQ(registry.profile("medium"), std::nullopt);
}

TEST(ModelRegistry, RefusesProfilesThatAreNone) {
  ModelRegistry registry;
  EXPECT_THAT(registry.put_profile(profile_of("", gib(1))).error().message, HasSubstr("empty"));
  EXPECT_THAT(registry.put_profile(profile_of("a\n", gib(1))).error().message,
              HasSubstr("control characters"));
  EXPECT_THAT(registry.put_profile({"zero", {}, {}, {}}).error().message,
              HasSubstr("\"zero\": the profile needs 0 bytes"));
  EXPECT_FALSE(registry.put_profile(profile_of("huge", Bytes{~0ULL})));
  EXPECT_EQ(registry.models().size(), 6U) << "nothing of it was kept";
}

TEST(OptimalBatch, IsTheRecommendedOneOnTheDocumentedGpu) {
  const ModelRegistry registry;
  const auto optimal = [&](std::string_view size, Bytes gpu) {
    return optimal_batch(registry.find(size).model.requirements, kAnyAmount, gpu);
  };
  EXPECT_EQ(optimal("small", gib(16)), 4);
  EXPECT_EQ(optimal("medium", gib(16)), 2);
  EXPECT_EQ(optimal("large", gib(16)), 1);
  EXPECT_EQ(optimal("small", gib(80)), 4) << "never above it";
  EXPECT_EQ(optimal("small", gib(3)), 3) << "4 of them need 4 GiB";
  EXPECT_EQ(optimal("small", gib(4) - Bytes{1}), 3);
  EXPECT_EQ(optimal("medium", gib(4)), 1);
  EXPECT_EQ(optimal("medium", gib(4) - Bytes{1}), 0);
  EXPECT_EQ(optimal("large", gib(16) - Bytes{1}), 0);
  EXPECT_EQ(optimal("small", {}), 0);
}

TEST(OptimalBatch, IsBoundByTheScarcerMemory) {
  Requirements requirements = needs(gib(8), gib(4));
  requirements.recommended_batch = 4;
  EXPECT_EQ(optimal_batch(requirements, gib(8), gib(4)), 4);
  EXPECT_EQ(optimal_batch(requirements, gib(2), gib(4)), 1);
  EXPECT_EQ(optimal_batch(requirements, gib(8), gib(3)), 3);
  EXPECT_EQ(optimal_batch(requirements, {}, gib(4)), 0);
  EXPECT_EQ(optimal_batch(requirements, kAnyAmount, kAnyAmount), 4);
  EXPECT_EQ(optimal_batch(needs(gib(1), {}), gib(1), {}), 1) << "it runs without a GPU";
  EXPECT_EQ(optimal_batch(needs({}, {}), {}, {}), 1) << "who needs nothing finds it anywhere";
}

TEST(OptimalBatch, GrowsWithMemoryAndStaysInProportion) {
  Requirements requirements = needs({}, Bytes{1'000});
  for (const int recommended : {1, 3, 7, 999, 1'000, 5'000}) {
    requirements.recommended_batch = recommended;
    int before = 0;
    for (std::uint64_t room = 0; room <= 1'100; ++room) {
      const int batch = optimal_batch(requirements, {}, Bytes{room});
      EXPECT_GE(batch, before);
      EXPECT_LE(batch, recommended);
      if (room < 1'000) {
        EXPECT_LE(static_cast<std::uint64_t>(batch) * 1'000,
                  room * static_cast<std::uint64_t>(recommended));
      }
      before = batch;
    }
    EXPECT_EQ(before, recommended);
  }
  requirements = needs({}, kAnyAmount);
  requirements.recommended_batch = kMostBatch;
  EXPECT_EQ(optimal_batch(requirements, {}, kAnyAmount), kMostBatch);
  EXPECT_EQ(optimal_batch(requirements, {}, kAnyAmount - Bytes{1}), kMostBatch - 1);
  requirements.recommended_batch = -5;
  EXPECT_EQ(optimal_batch(requirements, {}, {}), 0) << "of nonsense, too";
}

TEST(BytesOfGigabytes, AcceptsItsRangeToTheByte) {
  EXPECT_EQ(bytes_of_gigabytes(0), Bytes{});
  EXPECT_EQ(bytes_of_gigabytes(-0.0), Bytes{});
  EXPECT_EQ(bytes_of_gigabytes(1.5), mib(1536));
  EXPECT_EQ(bytes_of_gigabytes(1e-9), Bytes{1});
  EXPECT_EQ(bytes_of_gigabytes(kMostGigabytes), Bytes{64 * kTiB});
}

TEST(BytesOfGigabytes, RefusesEverythingElse) {
  for (const double bad : {-0.1, -1e300, 65'536.001, 1e300, kNan, -kNan, kInfinity, -kInfinity}) {
    const auto bytes = bytes_of_gigabytes(bad);
    ASSERT_FALSE(bytes) << bad;
    EXPECT_EQ(bytes.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(bytes.error().message, HasSubstr("from 0 to 65536"));
  }
  EXPECT_THAT(bytes_of_gigabytes(-2.5).error().message, HasSubstr("-2.5"));
}

TEST(CapabilityOf, ReadsMajorAndMinor) {
  EXPECT_EQ(capability_of(7.5), (ComputeCapability{7, 5}));
  EXPECT_EQ(capability_of(8), (ComputeCapability{8, 0}));
  EXPECT_EQ(capability_of(7.1), (ComputeCapability{7, 1}));
  EXPECT_EQ(capability_of(12.1), (ComputeCapability{12, 1}));
  EXPECT_EQ(capability_of(1), (ComputeCapability{1, 0}));
  EXPECT_EQ(capability_of(99.9), (ComputeCapability{99, 9}));
  EXPECT_EQ(capability_text({12, 1}), "12.1");
}

TEST(CapabilityOf, RefusesEverythingElse) {
  for (const double bad : {0.0, 0.9, -7.0, 7.55, 100.0, 1e308, kNan, kInfinity}) {
    ASSERT_FALSE(capability_of(bad)) << bad;
    EXPECT_THAT(capability_of(bad).error().hint, HasSubstr("7.5"));
  }
}

TEST(BatchOf, RefusesWhatIsNoBatch) {
  EXPECT_EQ(batch_of(1), 1);
  EXPECT_EQ(batch_of(kMostBatch), kMostBatch);
  for (const std::int64_t bad :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{kMostBatch} + 1,
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_FALSE(batch_of(bad)) << bad;
  }
}

}  // namespace
}  // namespace levee::estimate
