// N:M-sparse backends and their options.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backends/nm_sparse/nm_sparse_backend.h"
#include "gtest/gtest.h"

namespace millrace {

inline Options OptionsOf(const std::map<std::string, std::string>& values) {
  Options options;
  for (const auto& [key, value] : values) {
    options.Set(key, {.items = {value},
                      .is_list = key == "layers",
                      .where = "run.yaml:7",
                      .path = "backend." + key});
  }
  return options;
}

inline std::unique_ptr<NmSparseBackend> Make(const ModelSpec& spec, const Sparsity& sparsity,
                                             int threads = 1, uint64_t seed = 3,
                                             ModuleProducts products = ModuleProducts::kKernels) {
  auto policy = std::make_shared<BuiltinPolicy>(spec, seed);
  auto backend = NmSparseBackend::Create(policy, {}, sparsity, threads, products);
  EXPECT_TRUE(backend.ok()) << backend.status();
  return *std::move(backend);
}

inline Sparsity SparsityOf(const ModelSpec& spec,
                           const std::map<std::string, std::string>& values) {
  const auto sparsity = Sparsity::FromOptions(OptionsOf(values), spec);
  EXPECT_TRUE(sparsity.ok()) << sparsity.status();
  return *sparsity;
}

}  // namespace millrace
