#include "estimate/kv_cache.hpp"

#include <gtest/gtest.h>

namespace levee::estimate {
namespace {

/// Llama-3-8B: 128 KiB a token in 16 bits.
ModelFacts llama() {
  ModelFacts facts;
  facts.layers = 32;
  facts.hidden = 4096;
  facts.heads = 32;
  facts.kv_heads = 8;
  facts.head_dim = 128;
  facts.intermediate = 14336;
  facts.vocab = 128256;
  return facts;
}

double mebibytes(const ModelFacts& facts, const Job& job, std::uint64_t tokens,
                 std::uint64_t sequences = 1) {
  return cache_bytes(facts, job, tokens, sequences) / static_cast<double>(kMiB);
}

Job of(Framework framework) {
  Job job;
  job.framework = framework;
  return job;
}

CacheType type(std::string_view name) { return parse_cache_type(name).value(); }

TEST(KvCache, IsExactPerToken) {
  EXPECT_EQ(mebibytes(llama(), of(Framework::transformers), 8), 1);
  EXPECT_EQ(mebibytes(llama(), of(Framework::transformers), 8192, 3), 3072);
}

TEST(KvCache, IsRoundedUpAsFrameworksDo) {
  EXPECT_EQ(mebibytes(llama(), of(Framework::vllm), 1), 2) << "a block of 16";
  EXPECT_EQ(mebibytes(llama(), of(Framework::llama_cpp), 1), 32) << "256";
  Job plain = of(Framework::llama_cpp);
  plain.flash_attention = false;
  EXPECT_EQ(mebibytes(llama(), plain, 33), 8) << "64";
}

TEST(KvCache, CountsKeysAndValuesByTheirTypes) {
  Job job = of(Framework::llama_cpp);
  job.keys = type("q8_0");
  EXPECT_EQ(mebibytes(llama(), job, 1024), 64 * (8.5 + 16) / 16);
  job.values = type("iq4_nl");
  EXPECT_EQ(mebibytes(llama(), job, 1024), 64 * (8.5 + 4.5) / 16);
}

TEST(KvCache, IsSharedByHeadsAndNoFurther) {
  Job job = of(Framework::transformers);
  job.tensor_parallel = 4;
  EXPECT_EQ(mebibytes(llama(), job, 1024), 32);
  job.tensor_parallel = 32;  // Eight heads cannot be shared by more than eight.
  EXPECT_EQ(mebibytes(llama(), job, 1024), 16);
}

TEST(KvCache, OfLatentAttentionIsTheLatentPartOnEveryDevice) {
  ModelFacts deepseek = llama();
  deepseek.layers = 61;
  deepseek.latent =
      LatentAttention{.query_rank = 1536, .kv_rank = 512, .nope = 128, .rope = 64, .value = 128};
  Job job = of(Framework::llama_cpp);
  // A log of ik_llama.cpp: 10,980 MiB for 163,840 tokens.
  EXPECT_NEAR(mebibytes(deepseek, job, 163'840), 10'980, 1);
  job.tensor_parallel = 8;
  EXPECT_NEAR(mebibytes(deepseek, job, 163'840), 10'980, 1);
}

TEST(KvCache, OfWindowsIsBounded) {
  ModelFacts gemma = llama();
  gemma.window = SlidingWindow{.tokens = 1024, .layers = 16};
  EXPECT_EQ(mebibytes(gemma, of(Framework::transformers), 8192), 512 + 64);
  EXPECT_EQ(mebibytes(gemma, of(Framework::transformers), 512), 64) << "shorter than the window";
  // llama.cpp pads window and micro batch: 1024 + 512 tokens.
  EXPECT_EQ(mebibytes(gemma, of(Framework::llama_cpp), 8192), 512 + 96);
  Job quantised = of(Framework::llama_cpp);
  quantised.keys = quantised.values = type("q8_0");
  EXPECT_EQ(mebibytes(gemma, quantised, 8192), 272 + 96) << "windows stay in 16 bits";
}

TEST(KvCache, OfAnEncoderIsNone) {
  ModelFacts bert = llama();
  bert.build = Build::encoder;
  EXPECT_EQ(mebibytes(bert, of(Framework::transformers), 512), 0);
}

TEST(PoolTokens, AreThoseOfVllmsLogs) {
  Job job = of(Framework::vllm);
  // Llama-3.1-8B with 58.11 GiB: 476,016 tokens.
  const auto pool = [](double gib) {
    return Bytes{static_cast<std::uint64_t>(gib * static_cast<double>(kGiB))};
  };
  EXPECT_NEAR(static_cast<double>(pool_tokens(llama(), job, pool(58.11))), 476'016, 64);
  job.keys = job.values = type("fp8");
  EXPECT_NEAR(static_cast<double>(pool_tokens(llama(), job, pool(58.11))), 952'032, 128);
  EXPECT_EQ(pool_tokens(llama(), job, Bytes{}), 0U);
}

TEST(ParseCacheType, RefusesWhatIsNone) {
  for (const char* name : {"", "F16", "q3", "fp16 ", "auto/auto"}) {
    EXPECT_FALSE(parse_cache_type(name)) << name;
  }
}

}  // namespace
}  // namespace levee::estimate
