#include "backends/nm_sparse/semi_structured_matrix.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <string>

namespace millrace {
namespace {

using torch::Tensor;

// cuSPARSELt's for 16-bit numbers.
constexpr int64_t kSizeUnit = 16, kRowUnit = 8;
// Between products of bfloat16 numbers, of the largest.
constexpr double kTolerance = 2e-2;

Tensor Compress(const Tensor& matrix) { return at::_cslt_compress(matrix); }

// The product is [outputs, rows], the result the transposed of it.
Tensor Multiply(const Tensor& compressed, const Tensor& rows, int64_t algorithm) {
  return at::_cslt_sparse_mm(compressed, rows.t(), /*bias=*/{}, /*alpha=*/{}, /*out_dtype=*/{},
                             /*transpose_result=*/true, algorithm);
}

bool IsNear(const Tensor& product, const Tensor& expected) {
  const double size = expected.abs().max().item<double>();
  const double distance = (product - expected).abs().max().item<double>();
  return distance <= kTolerance * size;  // not if it is not finite
}

// What is wrong with them; empty if nothing is.
std::string Try(torch::Device device) {
  constexpr int64_t kSize = 64;
  try {
    const auto options = torch::dtype(torch::kBFloat16).device(device);
    Tensor matrix = torch::randn({kSize, kSize}, options);
    // The first and third of every four.
    matrix.view({kSize, -1, 2}).select(2, 1).zero_();
    const Tensor rows = torch::randn({kSize, kSize}, options);
    const Tensor product = Multiply(Compress(matrix), rows, /*algorithm=*/0);
    return IsNear(product, at::mm(rows, matrix.t())) ? "" : "products are wrong";
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
}

// Of a call, on the device of `on`.
double SecondsOf(const Tensor& on, const std::function<void()>& call) {
  constexpr int kCalls = 10, kTimes = 3;
  double best = 1e9;
  for (int i = 0; i < kTimes; ++i) {
    torch::cuda::synchronize(on.device().index());
    const auto begin = std::chrono::steady_clock::now();
    for (int one = 0; one < kCalls; ++one) call();
    torch::cuda::synchronize(on.device().index());
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best / kCalls;
}

}  // namespace

bool SemiStructuredMatrix::IsThere(torch::Device device) {
  if (!device.is_cuda()) return false;
  thread_local std::map<torch::DeviceIndex, std::string> wrong_on;
  auto wrong = wrong_on.find(device.index());
  if (wrong == wrong_on.end()) {
    wrong = wrong_on.emplace(device.index(), Try(device)).first;
    if (wrong->second.empty()) {
      spdlog::info("2:4-sparse products on {}: cuSPARSELt's", device.str());
    } else {
      spdlog::warn("2:4-sparse products on {} are dense: {}", device.str(),
                   wrong->second.substr(0, wrong->second.find('\n')));
    }
  }
  return wrong->second.empty();
}

bool SemiStructuredMatrix::Fits(int64_t outputs, int64_t inputs, const sparse::Pattern& pattern) {
  return !pattern.tiles && pattern.kept <= 2 && pattern.group % 4 == 0 &&
         outputs % kSizeUnit == 0 && inputs % kSizeUnit == 0;
}

void SemiStructuredMatrix::Set(const Tensor& matrix) {
  dense_ = matrix;
  compressed_ = Tensor();
}

const Tensor& SemiStructuredMatrix::Compressed() const {
  if (!compressed_.defined()) compressed_ = Compress(dense_);
  return compressed_;
}

Tensor SemiStructuredMatrix::MultiplySparse(const Tensor& rows, int64_t algorithm) const {
  return millrace::Multiply(Compressed(), rows, algorithm);
}

SemiStructuredMatrix::Plan SemiStructuredMatrix::MakePlan(const Tensor& rows) const {
  Plan plan;
  if (choice_ == sparse::ProductChoice::kDense || rows.size(0) % kRowUnit != 0 ||
      !IsThere(rows.device())) {
    return plan;
  }
  try {
    plan.algorithm = at::_cslt_sparse_mm_search(Compressed(), rows.t(), {}, {}, {},
                                                /*transpose_result=*/true);
    const Tensor expected = MultiplyDense(rows);
    const double size = expected.abs().max().item<double>();
    if (!std::isfinite(size) || size == 0) {
      plan.for_good = false;
      return plan;
    }
    if (!IsNear(MultiplySparse(rows, plan.algorithm), expected)) {
      spdlog::warn("2:4-sparse products of {} x {} by {} rows are dense: others were wrong",
                   dense_.size(0), dense_.size(1), rows.size(0));
      return plan;
    }
    if (choice_ == sparse::ProductChoice::kSparse) {
      plan.sparse = true;
      return plan;
    }
    // A train step compresses the weights once for every product.
    const double sparse =
        SecondsOf(rows, [&] { millrace::Multiply(Compress(dense_), rows, plan.algorithm); });
    const double dense = SecondsOf(rows, [&] { MultiplyDense(rows); });
    plan.sparse = sparse < dense;
    spdlog::info("{} x {} by {} rows: 2:4 is {:.2f} times as fast as dense", dense_.size(0),
                 dense_.size(1), rows.size(0), dense / sparse);
  } catch (const c10::Error& error) {
    spdlog::warn("2:4-sparse products of {} x {} by {} rows are dense: {}", dense_.size(0),
                 dense_.size(1), rows.size(0), error.what_without_backtrace());
    plan.sparse = false;
  }
  return plan;
}

Tensor SemiStructuredMatrix::Multiply(const Tensor& rows) const {
  const auto known = plans_.find(rows.size(0));
  const Plan plan = known != plans_.end() ? known->second : MakePlan(rows);
  if (known == plans_.end() && plan.for_good) plans_.emplace(rows.size(0), plan);
  return plan.sparse ? MultiplySparse(rows, plan.algorithm) : MultiplyDense(rows);
}

bool SemiStructuredMatrix::MultipliesSparse(int64_t rows) const {
  const auto plan = plans_.find(rows);
  return plan != plans_.end() && plan->second.sparse;
}

}  // namespace millrace
