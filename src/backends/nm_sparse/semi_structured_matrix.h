// 2:4-sparse products on a GPU, by cuSPARSELt through LibTorch.
#pragma once

#include <map>

#include "millrace/models/torch.h"
#include "sparse/pattern.h"
#include "sparse/product_choice.h"

namespace millrace {

// A matrix [outputs, inputs] of bfloat16 numbers, at most two of every four of which, along the
// inputs, are not zero (Mishra et al. 2021, arXiv:2104.08378): any of our patterns that keep at
// most two fit, at the speed of 2:4. Products are dense wherever 2:4-sparse ones are not there, do
// not compute the same when first tried, or are slower: decided for each number of rows once. Bound
// to one thread.
class SemiStructuredMatrix {
 public:
  // Whether LibTorch can multiply such matrices on `device`; tried once for each, and logged.
  static bool IsThere(torch::Device device);
  // Whether matrices [outputs, inputs] of a pattern are such.
  static bool Fits(int64_t outputs, int64_t inputs, const sparse::Pattern& pattern);

  // kSparse takes sparse products wherever they are there, kDense never, kAuto the faster.
  explicit SemiStructuredMatrix(sparse::ProductChoice choice) : choice_(choice) {}

  void Set(const torch::Tensor& matrix);
  // rows [R, inputs] -> [R, outputs]
  torch::Tensor Multiply(const torch::Tensor& rows) const;
  // Whether so many rows were multiplied by a sparse product, and will be.
  bool MultipliesSparse(int64_t rows) const;

 private:
  const torch::Tensor& Compressed() const;
  torch::Tensor MultiplySparse(const torch::Tensor& rows, int64_t algorithm) const;
  torch::Tensor MultiplyDense(const torch::Tensor& rows) const { return at::mm(rows, dense_.t()); }

  // How matrices of one number of rows are multiplied.
  struct Plan {
    bool sparse = false;
    int64_t algorithm = 0;  // of cuSPARSELt's; how it splits sums is not in LibTorch's search
    bool for_good = true;   // not if these rows cannot tell, as they give zeros or no numbers
  };
  Plan MakePlan(const torch::Tensor& rows) const;

  const sparse::ProductChoice choice_;
  torch::Tensor dense_;
  mutable torch::Tensor compressed_;  // undefined until a sparse product needs it
  mutable std::map<int64_t, Plan> plans_;
};

}  // namespace millrace
